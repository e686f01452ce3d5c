"""The orchestrator's tables in memory: the subset of Django's querysets that it uses, and no more.

What is not known here raises NotImplementedError. A Hypothesis test holds it to SQLite's answers.
"""

from orchestrator.memory_store.database import MemoryStore, Moment

__all__ = ["MemoryStore", "Moment"]

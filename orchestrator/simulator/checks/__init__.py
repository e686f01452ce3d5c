"""What must hold whatever happens, looked at after everything that does.

The numbers are those of the design's section 3. Each module is about one sort of rows.
"""

from orchestrator.simulator.checks.all import Checks

__all__ = ["Checks"]

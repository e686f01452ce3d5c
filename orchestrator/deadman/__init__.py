"""The dead-man's switch: puts servers to sleep that nobody looks after any more.

A program of its own for a timer, once a minute: `python -m orchestrator.deadman`. It shares neither
Celery nor Django nor the database with the fleet, so that it works when none of them does.
docs/decisions/0016-guards.md says what it goes by.
"""

"""What the orchestrator remembers."""

from orchestrator.models.jobs import Attempt, Job, JobBlob, JobEvent, StoredBlob
from orchestrator.models.nodes import (
    Alert,
    CloudOperation,
    FleetState,
    LedgerEntry,
    Node,
    NodeEvent,
)

__all__ = [
    "Alert",
    "Attempt",
    "CloudOperation",
    "FleetState",
    "Job",
    "JobBlob",
    "JobEvent",
    "LedgerEntry",
    "Node",
    "NodeEvent",
    "StoredBlob",
]

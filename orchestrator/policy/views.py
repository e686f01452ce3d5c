"""What the planner is shown: jobs, nodes and rules as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.site import Site
from orchestrator.states import CloudStatus, Gate, OperationKind, OperationOutcome, Wanted


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules, from the settings."""

    lease: timedelta
    heartbeat: timedelta
    idle: timedelta
    boot: timedelta
    stop: timedelta
    tick: timedelta
    operation: timedelta = timedelta(minutes=60)
    """Shelving by an image upload was seen to take up to this long (reference: immers.cloud)."""

    @property
    def silent(self) -> timedelta:
        """A worker not heard for so long cannot be counted on."""
        return max(self.heartbeat * 6, timedelta(seconds=10))


@dataclass(frozen=True, slots=True)
class Lease:
    """A running attempt."""

    attempt: int
    job: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Operation:
    """A call to the cloud whose end is not known yet."""

    id: int
    kind: OperationKind
    outcome: OperationOutcome
    intended_at: datetime
    sent_at: datetime | None
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Worker:
    """What the node's worker last said."""

    boot_id: str
    state: WorkerState
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. `ready_at` and `worker` are of the time since it was woken, else None."""

    name: str
    wanted: Wanted
    parked: bool
    gate: Gate
    gate_since: datetime | None
    cloud: CloudStatus
    task: str | None
    cloud_seen_at: datetime | None
    locked: bool
    awake_since: datetime | None
    worker: Worker | None
    ready_at: datetime | None
    busy_until: datetime | None
    lease: Lease | None
    operation: Operation | None
    wake_requested: bool
    failures: int
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything a plan depends on. `queued` jobs are those that may be claimed now."""

    now: datetime
    queued: int
    nodes: tuple[NodeView, ...]
    site: Site
    policy: Policy = field(repr=False)

"""What the planner is shown: jobs, nodes, money and rules as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.site import Site
from orchestrator.states import (
    FREE_STATUSES,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
    Wanted,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules, from the settings."""

    lease: timedelta
    heartbeat: timedelta
    idle: timedelta
    """How long a node may idle for which nothing else was learned."""
    boot: timedelta
    stop: timedelta
    tick: timedelta
    unshelve: timedelta = timedelta(minutes=30)
    shelve: timedelta = timedelta(minutes=60)
    """Shelving by an image upload was seen to take up to this long (reference: immers.cloud)."""
    max_uptime: timedelta = timedelta(hours=12)
    call: timedelta = timedelta(seconds=20)
    """How long one request to the cloud may take."""
    target_wait: timedelta = timedelta(minutes=10)
    keep_warm: int = 0
    budget: Budget = field(default_factory=Budget)
    billed: frozenset[CloudStatus] = frozenset(set(CloudStatus) - FREE_STATUSES)
    price_per_hour: Decimal = Decimal(0)

    @property
    def silent(self) -> timedelta:
        """A worker not heard for so long cannot be counted on."""
        return max(self.heartbeat * 6, timedelta(seconds=10))

    def limit(self, kind: OperationKind) -> timedelta:
        """How long the cloud may take over a request."""
        return self.unshelve if kind is OperationKind.UNSHELVE else self.shelve


@dataclass(frozen=True, slots=True)
class Lease:
    """A running attempt. `left`: what it is expected to take still."""

    attempt: int
    job: UUID
    until: datetime
    left: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Operation:
    """A call to the cloud whose end is not known yet."""

    id: int
    kind: OperationKind
    outcome: OperationOutcome
    intended_at: datetime
    sent_at: datetime | None
    deadline: datetime
    send_by: datetime | None = None
    """Until then whoever intended the call may still make it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What the node's worker last said."""

    boot_id: str
    state: WorkerState
    seen_at: datetime
    since: datetime | None = None
    """Since when it has said so."""


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
    active_since: datetime | None = None
    woken_here: bool = False
    """Its waking was our doing."""
    gate_why: str = ""
    kinds: frozenset[str] = frozenset()
    """Kinds of job that its worker does; empty until it has said so once."""
    quarantined_until: datetime | None = None
    rung_at: datetime | None = None
    restarts: int = 0
    restarted_at: datetime | None = None
    reachable: bool = False
    """Whether it could be reached over SSH."""
    idle_limit: timedelta | None = None
    """How long it may idle, if that was learned; counted from `idle_limit_since`."""
    idle_limit_since: datetime | None = None
    unsettled: bool = False
    """Its ledger has stretches that were not compared with the cloud's own notes yet."""
    settle_after: datetime | None = None
    """The notes were not complete: not before this again."""

    def serves(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds

    def quarantined(self, now: datetime) -> bool:
        return self.quarantined_until is not None and now < self.quarantined_until


@dataclass(frozen=True, slots=True)
class Demand:
    """Queued jobs of one kind that may be claimed now. `work`: of a node's time, all together."""

    kind: str
    urgent: bool
    jobs: int
    work: timedelta


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything a plan depends on."""

    now: datetime
    queue: tuple[Demand, ...]
    nodes: tuple[NodeView, ...]
    site: Site
    spent: Spent
    policy: Policy = field(repr=False)
    usual_wake: timedelta = timedelta(seconds=60)
    """From the request until a worker is ready, as it has been lately."""

    @property
    def wanted_queue(self) -> tuple[Demand, ...]:
        """What of the queue may be spent on: all of it, or what is urgent."""
        if not self.policy.budget.exhausted(self.spent):
            return self.queue
        return tuple(demand for demand in self.queue if demand.urgent)

    @property
    def queued(self) -> int:
        """How many jobs wait that may be spent on."""
        return sum(demand.jobs for demand in self.wanted_queue)

    def queued_for(self, node: NodeView) -> int:
        """How many of them this node could do."""
        return sum(demand.jobs for demand in self.wanted_queue if node.serves(demand.kind))

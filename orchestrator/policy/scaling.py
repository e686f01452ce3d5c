"""How many nodes are to be awake, which of them, and which may go to sleep. Pure.

Up and down are decided by the same view of who serves: the two cannot pull in different directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.phase import Phase, boot_limit, phase
from orchestrator.policy.steps import Call, Ring, Why
from orchestrator.policy.traces import has_traces
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.states import CloudStatus, Gate, OperationKind, Wanted


def spare(fleet: FleetView) -> frozenset[str]:
    """Nodes that may go to sleep when they are idle: all but those that are kept warm.

    The newest may go first, so that the ones that have been awake for long are the ones in use.
    """
    serving = [node for node in fleet.nodes if serves_now(node, fleet)]
    serving.sort(key=lambda node: (node.awake_since or fleet.now, node.name))
    kept = {node.name for node in serving[: _warm(fleet)]}
    return frozenset(node.name for node in fleet.nodes) - kept


def wakes(fleet: FleetView) -> Iterator[Call]:
    """Wake nodes until what is queued begins soon enough, and as many as are kept warm are up."""
    serving = [node for node in fleet.nodes if serves_now(node, fleet)]
    ready = [node for node in fleet.nodes if _may_be_woken(node, fleet)]
    ready.sort(key=lambda node: (node.failures, node.name))
    backlogs = {kinds: _Backlog.of(kinds, fleet) for kinds in {node.kinds for node in ready}}
    for node in serving:
        _add(node, backlogs)
    awake = len(serving)
    for node in ready:
        if backlogs[node.kinds].needs_another(fleet):
            why = Why.DEMAND
        elif awake < _warm(fleet):
            why = Why.KEPT_WARM
        else:
            continue
        awake += 1
        _add(node, backlogs)
        yield Call(node.name, OperationKind.UNSHELVE, why)


def rings(fleet: FleetView, closing: frozenset[str]) -> Iterator[Ring]:
    """Tell idle nodes of work, those that have been awake for longest first, one for each job.

    `closing`: nodes whose gate this plan closes.
    """
    free = [
        node
        for node in fleet.nodes
        if node.gate is Gate.OPEN
        and node.lease is None
        and node.name not in closing
        and may_work(node, fleet)
    ]
    free.sort(key=lambda node: (node.awake_since or fleet.now, node.name))
    for node in free[: fleet.queued]:
        yield Ring(node.name)


def may_work(node: NodeView, fleet: FleetView) -> bool:
    """Whether there is work for it, and it would take it."""
    return (
        fleet.queued_for(node) > 0
        and not node.parked
        and not node.quarantined(fleet.now)
        and takes_work(node, fleet)
    )


def takes_work(node: NodeView, fleet: FleetView) -> bool:
    """Whether the worker is there and would take a job."""
    worker = node.worker
    return (
        node.cloud is CloudStatus.ACTIVE
        and worker is not None
        and node.ready_at is not None
        and worker.state is WorkerState.READY
        and fleet.now - worker.seen_at <= fleet.policy.silent
    )


@dataclass(slots=True)
class _Backlog:
    """What waits for nodes of one make (those that do these kinds), and who is there for it."""

    jobs: dict[str, int]
    work: timedelta
    able: int = 0
    free: int = 0
    left: timedelta = timedelta()
    served: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, kinds: frozenset[str], fleet: FleetView) -> _Backlog:
        mine = [d for d in fleet.wanted_queue if not kinds or d.kind in kinds]
        jobs: dict[str, int] = {}
        for demand in mine:
            jobs[demand.kind] = jobs.get(demand.kind, 0) + demand.jobs
        return cls(jobs, sum((demand.work for demand in mine), timedelta()))

    def add(self, node: NodeView) -> None:
        """A node that serves."""
        does = {kind for kind in self.jobs if node.serves(kind)}
        if not does:
            return
        self.served |= does
        self.able += 1
        self.free += node.lease is None
        self.left += node.lease.left if node.lease is not None else timedelta()

    def needs_another(self, fleet: FleetView) -> bool:
        """Whether what waits would wait for too long.

        Nobody serves a kind of it: yes. Every job has a free node: no. Else when the backlog,
        shared by those that serve it, takes longer than a job is meant to wait, and longer than
        another node would take to wake.
        """
        if not self.jobs:
            return False
        if len(self.served) < len(self.jobs):
            return True
        if sum(self.jobs.values()) <= self.free:
            return False
        patience = max(fleet.policy.target_wait, fleet.usual_wake)
        return (self.work + self.left) / self.able > patience


def _add(node: NodeView, backlogs: dict[frozenset[str], _Backlog]) -> None:
    for backlog in backlogs.values():
        backlog.add(node)


def _warm(fleet: FleetView) -> int:
    exhausted = fleet.policy.budget.exhausted(fleet.spent)
    return 0 if exhausted else fleet.policy.keep_warm


def serves_now(node: NodeView, fleet: FleetView) -> bool:
    """Whether it works, or will do so without being woken. One that boots counts, in its time."""
    if node.gate is not Gate.OPEN or node.parked or node.quarantined(fleet.now):
        return False
    match phase(node, fleet.policy, fleet.now):
        case Phase.WORKING:
            return True
        case Phase.IDLE:
            return _listens(node, fleet)
        case Phase.WAKING | Phase.BOOTING:
            return _is_coming(node, fleet)
    return False


def _listens(node: NodeView, fleet: FleetView) -> bool:
    """It would take a job; or its worker is only being started anew."""
    worker = node.worker
    if worker is None or worker.state is WorkerState.READY:
        return worker is not None
    return fleet.now - (worker.since or worker.seen_at) <= fleet.policy.boot


def _is_coming(node: NodeView, fleet: FleetView) -> bool:
    """It is still within the time that it may take; one that is held may take for ever."""
    limit = boot_limit(node, fleet.policy)
    return limit is not None and fleet.now <= limit


def _may_be_woken(node: NodeView, fleet: FleetView) -> bool:
    return could_be_woken(node, fleet) and not rests(node, fleet)


def could_be_woken(node: NodeView, fleet: FleetView) -> bool:
    """Whether it sleeps, and only time can stand in the way of its being woken."""
    return (
        phase(node, fleet.policy, fleet.now) in (Phase.ASLEEP, Phase.RESERVED)
        and not has_traces(node)
        and node.wanted is Wanted.ASLEEP
        and not node.parked
        and not node.locked
    )


def rests(node: NodeView, fleet: FleetView) -> bool:
    """Whether it is left alone for a while, for what went wrong with it."""
    return node.quarantined(fleet.now) or (
        node.not_before is not None and node.not_before > fleet.now
    )

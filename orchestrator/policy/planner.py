"""From what is, to what is to be done. Pure: the same view always gives the same plan.

A plan is a list of single steps; whoever carries it out checks each step's premise again in the
same statement that makes it true, so a plan that has aged does no harm. After the steps the world
is looked at again: a node goes from idle to shelved in several plans, never in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.phase import Phase, idle_since, phase
from orchestrator.policy.site import settled
from orchestrator.policy.views import FleetView, NodeView, Operation, Policy
from orchestrator.states import CloudStatus, Gate, OperationKind, OperationOutcome, Wanted

SEND_WITHIN = timedelta(seconds=60)
"""A call that was intended longer ago than that is not made any more, but planned anew."""

_SHELVABLE = frozenset(
    {CloudStatus.ACTIVE, CloudStatus.SHUTOFF, CloudStatus.PAUSED, CloudStatus.SUSPENDED}
)
"""Nova's API takes a shelve from these (nova/compute/api.py)."""

_BACKOFF_MINUTES = (1, 2, 5, 10, 30)


class Why(StrEnum):
    """Why a step is taken; kept with what it changes."""

    DEMAND = "demand"
    IDLE = "idle"
    PARKED = "parked"
    BOOT_TIMEOUT = "boot_timeout"
    WORKER_SILENT = "worker_silent"
    WORKER_BROKEN = "worker_broken"
    NOT_RUNNING = "not_running"
    STOPPED = "stopped"
    NO_CAPACITY = "no_capacity"
    OPERATION_FAILED = "operation_failed"
    OPERATION_TIMEOUT = "operation_timeout"
    NEVER_SENT = "never_sent"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ExpireLease:
    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Call:
    """Ask the cloud to unshelve or shelve: intent first, then the request."""

    node: str
    kind: OperationKind
    why: Why


@dataclass(frozen=True, slots=True)
class Finish:
    """An intent was written down, but whether the request was made is not known: find out."""

    node: str
    operation: int


@dataclass(frozen=True, slots=True)
class Resolve:
    """The end of a call to the cloud has been seen."""

    node: str
    operation: int
    ok: bool
    why: Why


@dataclass(frozen=True, slots=True)
class Move:
    """Open or close the node's gate."""

    node: str
    old: Gate
    new: Gate
    why: Why


@dataclass(frozen=True, slots=True)
class NoteWake:
    """There is work for a node that is past the point of no return."""

    node: str


@dataclass(frozen=True, slots=True)
class SettleAsleep:
    """The node sleeps: what its worker said is of the past."""

    node: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell an idle worker that there is work."""

    node: str


Step = ExpireLease | Call | Finish | Resolve | Move | NoteWake | SettleAsleep | Ring


def plan(fleet: FleetView) -> tuple[Step, ...]:
    """What is to be done now."""
    return (
        *_expired(fleet),
        *(step for node in fleet.nodes if (step := _node_step(node, fleet)) is not None),
        *_wakes(fleet),
        *_rings(fleet),
    )


def backoff(failures: int) -> timedelta:
    """How long a node is left alone after it could not be woken so many times in a row."""
    return timedelta(minutes=_BACKOFF_MINUTES[min(max(failures, 1), len(_BACKOFF_MINUTES)) - 1])


def _expired(fleet: FleetView) -> Iterator[ExpireLease]:
    if not settled(fleet.site, fleet.now, fleet.policy.lease):
        return
    for node in fleet.nodes:
        if node.lease is not None and node.lease.until < fleet.now:
            yield ExpireLease(node.name, node.lease.attempt)


def _node_step(node: NodeView, fleet: FleetView) -> Step | None:
    if node.operation is not None:
        return _operation_step(node, node.operation, fleet.now)
    if node.locked or node.wanted is Wanted.HELD or node.task:
        return None
    if node.cloud is CloudStatus.SHELVED_OFFLOADED:
        return SettleAsleep(node.name) if _has_traces(node) else None
    if node.cloud not in _SHELVABLE:
        return None
    if node.gate is Gate.STOPPING:
        return _stopping_step(node, fleet)
    if node.lease is not None:
        return None
    if node.gate is Gate.DRAINING:
        wanted_again = fleet.queued > 0 and not node.parked and _takes_work(node, fleet)
        new = Gate.OPEN if wanted_again else Gate.STOPPING
        return Move(node.name, node.gate, new, Why.DEMAND if wanted_again else Why.IDLE)
    why = _reason_to_drain(node, fleet)
    return Move(node.name, Gate.OPEN, Gate.DRAINING, why) if why is not None else None


def _operation_step(node: NodeView, operation: Operation, now: datetime) -> Step | None:
    if operation.outcome is OperationOutcome.INTENDED:
        return Finish(node.name, operation.id)
    if not _seen_since(node, operation):
        return None
    goal = (
        CloudStatus.ACTIVE
        if operation.kind is OperationKind.UNSHELVE
        else CloudStatus.SHELVED_OFFLOADED
    )
    if node.cloud is goal and not node.task:
        return Resolve(node.name, operation.id, True, Why.DONE)
    if now > operation.deadline:
        return Resolve(node.name, operation.id, False, Why.OPERATION_TIMEOUT)
    if node.task or node.cloud in (CloudStatus.SHELVED, CloudStatus.UNKNOWN):
        return None
    # Nova says nothing when there is no capacity: the server is simply what it was before.
    fell_back = node.cloud is CloudStatus.SHELVED_OFFLOADED
    why = Why.NO_CAPACITY if fell_back else Why.OPERATION_FAILED
    return Resolve(node.name, operation.id, False, why)


def _seen_since(node: NodeView, operation: Operation) -> bool:
    return (
        operation.sent_at is not None
        and node.cloud_seen_at is not None
        and node.cloud_seen_at > operation.sent_at
    )


def _has_traces(node: NodeView) -> bool:
    """Whether something is left of when it was awake."""
    return (
        node.gate is not Gate.OPEN
        or node.worker is not None
        or node.ready_at is not None
        or node.awake_since is not None
        or node.wanted is Wanted.AWAKE
    )


def _stopping_step(node: NodeView, fleet: FleetView) -> Step | None:
    if fleet.queued > 0 and not node.wake_requested and not node.parked:
        return NoteWake(node.name)
    if node.lease is not None and node.lease.until >= fleet.now:
        return None
    if _worker_gone(node, fleet.policy, fleet.now):
        return Call(node.name, OperationKind.SHELVE, Why.STOPPED)
    return None


def _worker_gone(node: NodeView, policy: Policy, now: datetime) -> bool:
    if node.worker is None or node.worker.state is WorkerState.STOPPED:
        return True
    if now - node.worker.seen_at > policy.silent:
        return True
    return node.gate_since is not None and now - node.gate_since > policy.stop


def _reason_to_drain(node: NodeView, fleet: FleetView) -> Why | None:
    policy, now = fleet.policy, fleet.now
    if node.parked:
        return Why.PARKED
    if node.cloud is not CloudStatus.ACTIVE:
        return Why.NOT_RUNNING
    if not settled(fleet.site, now, policy.lease):
        return None
    if node.ready_at is None:
        late = node.awake_since is not None and now - node.awake_since > policy.boot
        broken = node.worker is not None and node.worker.state is WorkerState.BROKEN
        return (Why.WORKER_BROKEN if broken else Why.BOOT_TIMEOUT) if late else None
    if node.worker is None or now - node.worker.seen_at > policy.boot:
        return Why.WORKER_SILENT
    since = idle_since(node)
    if since is None:
        return None
    if node.worker.state is WorkerState.BROKEN and now - since > policy.boot:
        # It takes no work, however much there is; a new start may mend it.
        return Why.WORKER_BROKEN
    return Why.IDLE if fleet.queued == 0 and now - since >= policy.idle else None


def _takes_work(node: NodeView, fleet: FleetView) -> bool:
    """Whether the worker is there and would take a job."""
    worker = node.worker
    return (
        node.cloud is CloudStatus.ACTIVE
        and worker is not None
        and node.ready_at is not None
        and worker.state is WorkerState.READY
        and fleet.now - worker.seen_at <= fleet.policy.silent
    )


def _wakes(fleet: FleetView) -> Iterator[Call]:
    """Wake a node for every queued job that no awake or waking node is going to take."""
    phases = {node.name: phase(node, fleet.policy, fleet.now) for node in fleet.nodes}
    coming = {Phase.WAKING, Phase.BOOTING, Phase.IDLE}
    capacity = sum(
        phases[node.name] in coming and node.gate is Gate.OPEN and not node.parked
        for node in fleet.nodes
    )
    ready = [node for node in fleet.nodes if _may_be_woken(node, phases[node.name], fleet.now)]
    ready.sort(key=lambda node: (node.failures, node.name))
    for node in ready[: max(0, fleet.queued - capacity)]:
        yield Call(node.name, OperationKind.UNSHELVE, Why.DEMAND)


def _may_be_woken(node: NodeView, where: Phase, now: datetime) -> bool:
    return (
        where is Phase.ASLEEP
        and not _has_traces(node)
        and node.wanted is Wanted.ASLEEP
        and not node.parked
        and not node.locked
        and (node.not_before is None or node.not_before <= now)
    )


def _rings(fleet: FleetView) -> Iterator[Ring]:
    if fleet.queued == 0:
        return
    for node in fleet.nodes:
        open_and_free = node.gate is Gate.OPEN and node.lease is None and not node.parked
        if open_and_free and _takes_work(node, fleet):
            yield Ring(node.name)

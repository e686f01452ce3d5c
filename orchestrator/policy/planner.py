"""From what is, to what is to be done. Pure: the same view always gives the same plan.

A plan is a list of single steps; whoever carries it out checks each step's premise again in the
same statement that makes it true, so a plan that has aged does no harm. After the steps the world
is looked at again: a node goes from idle to shelved in several plans, never in one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.phase import boot_limit, idle_limit, idle_since
from orchestrator.policy.scaling import may_work, rings, spare, takes_work, wakes
from orchestrator.policy.site import settled
from orchestrator.policy.steps import (
    Call,
    ExpireLease,
    Finish,
    Move,
    NoteWake,
    Preempt,
    Resolve,
    Restart,
    SettleAsleep,
    SettleLedger,
    Step,
    Why,
)
from orchestrator.policy.traces import ASLEEP, NOT_AWAKE, has_traces
from orchestrator.policy.views import FleetView, Lease, NodeView, Operation, Policy, Worker
from orchestrator.states import CloudStatus, Gate, OperationKind, OperationOutcome, Wanted

SEND_WITHIN = timedelta(seconds=15)
"""Whoever has written down a call makes it within that time, or not at all. After a crash between
the two it is taken up so much later."""

GIVE_UP_AFTER = timedelta(minutes=2)
"""A call that was intended longer ago than that is not made any more, but planned anew."""

DEAF_AFTER = timedelta(seconds=60)
"""A worker that has been told of work for so long and does not ask for it is started anew."""

_MOST_RESTARTS = 2

_SHELVABLE = frozenset(
    {CloudStatus.ACTIVE, CloudStatus.SHUTOFF, CloudStatus.PAUSED, CloudStatus.SUSPENDED}
)
"""Nova's API takes a shelve from these (nova/compute/api.py)."""

_BACKOFF_MINUTES = (1, 2, 5, 10, 30)


_REOPENS = frozenset(
    {"", Why.IDLE, Why.BUDGET, Why.WORKER_SILENT, Why.WORKER_BROKEN, Why.KEPT_WARM}
)
"""Drained for these, a node goes on when there is work that it would take after all."""


def plan(fleet: FleetView) -> tuple[Step, ...]:
    """What is to be done now."""
    may_sleep = spare(fleet)
    steps = [s for node in fleet.nodes if (s := _node_step(node, fleet, may_sleep)) is not None]
    closing = frozenset(step.node for step in steps if isinstance(step, Move))
    reopened = {step.node for step in steps if isinstance(step, Move) and step.new is Gate.OPEN}
    return (*_expired(fleet), *steps, *wakes(_with_open(fleet, reopened)), *rings(fleet, closing))


def _with_open(fleet: FleetView, reopened: Collection[str]) -> FleetView:
    """The fleet with these gates open: nobody else is woken for the work that they open for."""
    if not reopened:
        return fleet
    nodes = (
        replace(node, gate=Gate.OPEN) if node.name in reopened else node for node in fleet.nodes
    )
    return replace(fleet, nodes=tuple(nodes))


def backoff(failures: int, jitter: float = 0.0) -> timedelta:
    """How long a node is left alone after so many failures in a row.

    `jitter`, from 0 to 1, makes it up to a fifth longer: nodes that failed at one moment do not
    come back at one moment.
    """
    minutes = _BACKOFF_MINUTES[min(max(failures, 1), len(_BACKOFF_MINUTES)) - 1]
    return timedelta(minutes=minutes * (1 + jitter / 5))


def must_give_back(gate: Gate, why: str) -> bool:
    """Whether a node that is drained for this reason is to give back the job it has."""
    return gate is Gate.DRAINING and why == Why.MAX_UPTIME


def _expired(fleet: FleetView) -> Iterator[ExpireLease]:
    if not settled(fleet.site, fleet.now, fleet.policy.lease):
        return
    for node in fleet.nodes:
        if node.lease is not None and node.lease.until < fleet.now:
            yield ExpireLease(node.name, node.lease.attempt)


def _node_step(node: NodeView, fleet: FleetView, may_sleep: frozenset[str]) -> Step | None:
    if node.operation is not None:
        return _operation_step(node, node.operation, fleet)
    if node.wanted is Wanted.HELD:
        return None
    if node.task:
        return _woken_by_others_step(node)
    if node.locked:
        return None
    if node.cloud in NOT_AWAKE:
        return _asleep_step(node, fleet.now)
    if node.cloud not in _SHELVABLE:
        return None
    if node.gate is Gate.STOPPING:
        return _stopping_step(node, fleet)
    if node.lease is not None:
        return _working_step(node, node.lease, fleet)
    if node.gate is Gate.DRAINING:
        wanted_again = node.gate_why in _REOPENS and may_work(node, fleet)
        new = Gate.OPEN if wanted_again else Gate.STOPPING
        return Move(node.name, node.gate, new, Why.DEMAND if wanted_again else _why(node))
    why = _reason_to_drain(node, fleet, may_sleep)
    if why is not None:
        return Move(node.name, Gate.OPEN, Gate.DRAINING, why)
    return _deaf_step(node, fleet)


def _operation_step(node: NodeView, operation: Operation, fleet: FleetView) -> Step | None:
    if operation.outcome is OperationOutcome.INTENDED:
        # Whoever wrote it down may still be about to make the call, or be waiting for its answer.
        under_way = operation.send_by is not None and (
            fleet.now <= operation.send_by + fleet.policy.call
        )
        return None if under_way else Finish(node.name, operation.id)
    if not _seen_since(node, operation):
        return None
    waking = operation.kind is OperationKind.UNSHELVE
    goal = CloudStatus.ACTIVE if waking else CloudStatus.SHELVED_OFFLOADED
    if node.cloud is goal and not node.task:
        return Resolve(node.name, operation.id, True, Why.DONE)
    if fleet.now > operation.deadline:
        return Resolve(node.name, operation.id, False, Why.OPERATION_TIMEOUT)
    if node.task or node.cloud is CloudStatus.UNKNOWN:
        return None
    if node.cloud is CloudStatus.SHELVED and not waking:
        # Its host is to let go of it by and by, or could not: only the cloud's notes tell.
        return Resolve(node.name, operation.id, False, Why.NOT_OFFLOADED)
    # Nova says nothing when there is no capacity: the server is simply what it was before.
    fell_back = waking and node.cloud in ASLEEP
    why = Why.NO_CAPACITY if fell_back else Why.OPERATION_FAILED
    return Resolve(node.name, operation.id, False, why)


def _seen_since(node: NodeView, operation: Operation) -> bool:
    return (
        operation.sent_at is not None
        and node.cloud_seen_at is not None
        and node.cloud_seen_at > operation.sent_at
    )


def _woken_by_others_step(node: NodeView) -> Step | None:
    """Somebody is at work with it: what its worker last said was said before it slept.

    Where it is our own waking that we waited for too long, it is ours still.
    """
    if node.woken_here and node.active_since is None:
        return None
    said = node.ready_at is not None or node.worker is not None
    asleep = node.cloud is CloudStatus.SHELVED_OFFLOADED
    return SettleAsleep(node.name) if said and asleep else None


def _asleep_step(node: NodeView, now: datetime) -> Step | None:
    if has_traces(node):
        return SettleAsleep(node.name)
    due = node.settle_after is None or node.settle_after <= now
    if node.unsettled and due and node.cloud is CloudStatus.SHELVED_OFFLOADED:
        return SettleLedger(node.name)
    return None


def _stopping_step(node: NodeView, fleet: FleetView) -> Step | None:
    if fleet.queued_for(node) > 0 and not node.wake_requested and not node.parked:
        return NoteWake(node.name)
    if node.lease is not None and node.lease.until >= fleet.now:
        return None
    if _worker_gone(node, fleet.policy, fleet.now):
        return Call(node.name, OperationKind.SHELVE, Why.STOPPED)
    return None


def _working_step(node: NodeView, lease: Lease, fleet: FleetView) -> Step | None:
    """At max uptime a job is given back at the next heartbeat, and taken back when it is not.

    The node is given its time to do so, however late we notice: it counts from when the gate was
    closed, and from when the site can be reached.
    """
    if node.awake_since is None or fleet.now - node.awake_since < fleet.policy.max_uptime:
        return None
    if not must_give_back(node.gate, node.gate_why):
        return Move(node.name, node.gate, Gate.DRAINING, Why.MAX_UPTIME)
    asked = node.gate_since or fleet.now
    if fleet.now - asked <= fleet.policy.stop + fleet.policy.lease:
        return None
    if not settled(fleet.site, fleet.now, fleet.policy.lease):
        return None
    return Preempt(node.name, lease.attempt)


def _worker_gone(node: NodeView, policy: Policy, now: datetime) -> bool:
    if node.worker is None or node.worker.state is WorkerState.STOPPED:
        return True
    if now - node.worker.seen_at > policy.silent:
        return True
    return node.gate_since is not None and now - node.gate_since > policy.stop


def _why(node: NodeView) -> Why:
    return Why(node.gate_why) if node.gate_why in set(Why) else Why.IDLE


def _reason_to_drain(node: NodeView, fleet: FleetView, may_sleep: frozenset[str]) -> Why | None:
    """Why a node without a job should take no more of them."""
    policy, now = fleet.policy, fleet.now
    if node.parked:
        return Why.PARKED
    if node.cloud is not CloudStatus.ACTIVE:
        return Why.NOT_RUNNING
    if node.quarantined(now):
        return Why.QUARANTINE
    if node.awake_since is not None and now - node.awake_since >= policy.max_uptime:
        return Why.MAX_UPTIME
    if not settled(fleet.site, now, policy.lease):
        return None
    if node.ready_at is None:
        limit = boot_limit(node, policy)
        broken = node.worker is not None and node.worker.state is WorkerState.BROKEN
        late = limit is not None and now > limit
        return (Why.WORKER_BROKEN if broken else Why.BOOT_TIMEOUT) if late else None
    if node.worker is None or now - node.worker.seen_at > policy.boot:
        return Why.WORKER_SILENT
    since = idle_since(node)
    if since is None:
        return None
    if _takes_none(node.worker, since, now) > policy.boot:
        # However much there is; a new start may mend it.
        return Why.WORKER_BROKEN
    if node.rung_at is not None and now - node.rung_at > policy.boot:
        return Why.WORKER_DEAF
    return _idle_reason(node, since, fleet, may_sleep)


def _takes_none(worker: Worker, idle_since: datetime, now: datetime) -> timedelta:
    """For how long it has been there and said that it takes no work."""
    if worker.state is WorkerState.READY:
        return timedelta()
    return now - max(idle_since, worker.since or idle_since)


def _idle_reason(
    node: NodeView, since: datetime, fleet: FleetView, may_sleep: frozenset[str]
) -> Why | None:
    if fleet.queued_for(node) > 0 or node.name not in may_sleep:
        return None
    if fleet.policy.budget.exhausted(fleet.spent):
        return Why.BUDGET
    return Why.IDLE if fleet.now - since >= idle_limit(node, fleet.policy) else None


def _deaf_step(node: NodeView, fleet: FleetView) -> Step | None:
    if node.rung_at is None or not node.reachable or not takes_work(node, fleet):
        return None
    heard = max(node.rung_at, node.restarted_at) if node.restarted_at else node.rung_at
    if fleet.now - heard <= DEAF_AFTER or node.restarts >= _MOST_RESTARTS:
        return None
    return Restart(node.name)

"""The one word people see for a node, derived from what is wanted, the cloud and the worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.views import NodeView, Policy
from orchestrator.states import (
    Cause,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
    Wanted,
)

_EVER = datetime.max.replace(tzinfo=UTC)


class Phase(StrEnum):
    """Where a node is on its way from sleep to sleep."""

    UNKNOWN = "unknown"
    ASLEEP = "asleep"
    WAKING = "waking"
    BOOTING = "booting"
    IDLE = "idle"
    WORKING = "working"
    SILENT = "silent"
    """Awake, but its worker has not been heard of for a while."""
    BROKEN = "broken"
    DRAINING = "draining"
    STOPPING = "stopping"
    SHELVING = "shelving"
    RESERVED = "reserved"
    """Shelved, but the cloud still keeps its GPU for it."""
    ERROR = "error"
    """In a status that only a person can bring it out of, or that somebody else has put it in."""


def phase(node: NodeView, policy: Policy, now: datetime) -> Phase:
    """Where the node is now."""
    if node.cloud is CloudStatus.UNKNOWN:
        return Phase.UNKNOWN
    if node.operation is not None and node.operation.kind is OperationKind.SHELVE:
        return Phase.SHELVING
    if node.cloud is CloudStatus.SHELVED_OFFLOADED:
        waking = node.operation is not None or bool(node.task)
        return Phase.WAKING if waking else Phase.ASLEEP
    if (node.task or "").startswith("shelving"):
        return Phase.SHELVING
    if node.cloud is CloudStatus.SHELVED:
        waking = node.operation is not None or bool(node.task)
        return Phase.WAKING if waking else Phase.RESERVED
    if node.cloud is not CloudStatus.ACTIVE:
        return Phase.ERROR
    if node.lease is not None:
        return Phase.WORKING
    if node.gate is Gate.DRAINING:
        return Phase.DRAINING
    if node.gate is Gate.STOPPING:
        return Phase.STOPPING
    return _worker_phase(node, policy, now)


def _worker_phase(node: NodeView, policy: Policy, now: datetime) -> Phase:
    if node.ready_at is None:
        broken = node.worker is not None and node.worker.state is WorkerState.BROKEN
        return Phase.BROKEN if broken else Phase.BOOTING
    if node.worker is None or now - node.worker.seen_at > policy.silent:
        return Phase.SILENT
    if node.worker.state is WorkerState.BROKEN:
        return Phase.BROKEN
    return Phase.IDLE


def billed(node: NodeView, policy: Policy) -> bool:
    """Whether the node costs money now: from the moment its waking was asked for.

    A server of which nothing is known yet is not billed by us. Neither is one that is only about to
    be woken; once the request is known to have been made, its time counts from the intent on. A
    worker that is heard has been woken, whatever became of the answer.
    """
    if node.cloud is CloudStatus.UNKNOWN:
        return False
    if node.cloud in policy.billed:
        return True
    operation = node.operation
    heard = node.worker is not None or node.lease is not None
    asked = (
        operation is not None
        and operation.kind is OperationKind.UNSHELVE
        and (operation.outcome is not OperationOutcome.INTENDED or heard)
    )
    return asked or (node.cloud is CloudStatus.SHELVED_OFFLOADED and bool(node.task))


def idle_since(node: NodeView) -> datetime | None:
    """Since when an awake node has had nothing to do; None when it is not ready or has a lease."""
    if node.ready_at is None or node.lease is not None:
        return None
    return max(node.ready_at, node.busy_until) if node.busy_until else node.ready_at


def idle_limit(node: NodeView, policy: Policy) -> timedelta:
    """How long the node may idle. It does not change while it does."""
    if node.idle_limit is not None and node.idle_limit_since == idle_since(node):
        return node.idle_limit
    return policy.idle


def idle_until(node: NodeView, policy: Policy) -> datetime | None:
    """Until when its idle time is within the rules, a tick included; None when it is not idle."""
    since = idle_since(node)
    if since is None:
        return None
    if policy.keep_warm:
        return _EVER
    return since + idle_limit(node, policy) + policy.tick


def boot_limit(node: NodeView, policy: Policy) -> datetime | None:
    """When a node that is being woken should have come this far; None when it is not awake."""
    if node.active_since is not None:
        return node.active_since + policy.boot
    if node.awake_since is not None:
        return node.awake_since + policy.unshelve
    # It may have been asked for, and nobody knows yet.
    waking = node.operation is not None and node.operation.kind is OperationKind.UNSHELVE
    return node.operation.deadline if waking and node.operation is not None else None


@dataclass(frozen=True, slots=True)
class Account:
    """Why a node's time is billed; None when it is not.

    `limit`: how long it may idle or boot, if it does or has just done so. What it did so beyond
    that was a failure, whatever follows and whenever that is noticed.
    """

    cause: Cause | None
    limit: datetime | None


def account(node: NodeView, policy: Policy, now: datetime) -> Account:
    """What the node's present second is billed for."""
    limit = idle_until(node, policy) if node.ready_at is not None else boot_limit(node, policy)
    cause = _cause(node, policy, now)
    overrun = cause in (Cause.IDLE, Cause.BOOT) and limit is not None and now > limit
    return Account(Cause.FAILURE if overrun else cause, limit)


def _cause(node: NodeView, policy: Policy, now: datetime) -> Cause | None:
    if not billed(node, policy):
        return None
    if node.wanted is Wanted.HELD:
        return Cause.JOB if node.lease is not None else Cause.HOLD
    match phase(node, policy, now):
        case Phase.WORKING:
            return Cause.JOB
        case Phase.SHELVING:
            return Cause.SHELVING
        case Phase.DRAINING | Phase.STOPPING:
            return Cause.DRAIN
        case Phase.WAKING | Phase.BOOTING:
            # One that somebody else woke is not our boot.
            foreign = not node.woken_here and node.operation is None
            return Cause.EXTERNAL if foreign else Cause.BOOT
        case Phase.IDLE:
            return Cause.IDLE
        case _:
            return Cause.FAILURE

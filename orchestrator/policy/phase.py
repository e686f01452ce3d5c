"""The one word people see for a node, derived from what is wanted, the cloud and the worker."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.views import NodeView, Policy
from orchestrator.states import Cause, CloudStatus, Gate, OperationKind, Wanted

BILLED = frozenset(set(CloudStatus) - {CloudStatus.SHELVED_OFFLOADED, CloudStatus.DELETED})
"""immers.cloud bills a stopped server's GPU as well; only an offloaded one costs nothing.

A server whose status is not known yet is not billed by us: see `billed`.
"""


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
    ERROR = "error"


def phase(node: NodeView, policy: Policy, now: datetime) -> Phase:
    """Where the node is now."""
    if node.cloud is CloudStatus.UNKNOWN:
        return Phase.UNKNOWN
    if node.operation is not None and node.operation.kind is OperationKind.SHELVE:
        return Phase.SHELVING
    if node.cloud is CloudStatus.SHELVED_OFFLOADED:
        waking = node.operation is not None or bool(node.task)
        return Phase.WAKING if waking else Phase.ASLEEP
    if node.cloud is not CloudStatus.ACTIVE:
        return Phase.SHELVING if (node.task or "").startswith("shelving") else Phase.ERROR
    if (node.task or "").startswith("shelving"):
        return Phase.SHELVING
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


def billed(node: NodeView) -> bool:
    """Whether the node costs money now: from the moment its waking was asked for."""
    if node.cloud is CloudStatus.UNKNOWN:
        return False
    if node.cloud in BILLED:
        return True
    operation = node.operation
    return (operation is not None and operation.kind is OperationKind.UNSHELVE) or (
        node.cloud is CloudStatus.SHELVED_OFFLOADED and bool(node.task)
    )


def cause(node: NodeView, policy: Policy, now: datetime) -> Cause | None:
    """Why the node's present second is billed; None when it is not."""
    if not billed(node):
        return None
    if node.wanted is Wanted.HELD:
        return Cause.JOB if node.lease is not None else Cause.HOLD
    where = phase(node, policy, now)
    match where:
        case Phase.WORKING:
            return Cause.JOB
        case Phase.SHELVING:
            return Cause.SHELVING
        case Phase.DRAINING | Phase.STOPPING:
            return Cause.DRAIN
        case Phase.WAKING | Phase.BOOTING:
            return _boot_cause(node, policy, now)
        case Phase.IDLE:
            return Cause.IDLE
        case _:
            return Cause.FAILURE


def _boot_cause(node: NodeView, policy: Policy, now: datetime) -> Cause:
    """A server that somebody else woke is not our boot; one that takes too long is a failure."""
    if node.awake_since is None:
        return Cause.BOOT if node.operation is not None else Cause.EXTERNAL
    if now - node.awake_since > policy.boot:
        return Cause.FAILURE
    return Cause.BOOT

"""Nodes and fleets as values, for the tests of policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.budget import Spent
from orchestrator.policy.site import Site
from orchestrator.policy.views import (
    Demand,
    FleetView,
    Lease,
    NodeView,
    Operation,
    Policy,
    Worker,
)
from orchestrator.states import CloudStatus, Gate, OperationKind, OperationOutcome, Wanted

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
JOB = UUID("00000000-0000-4000-8000-000000000001")

POLICY = Policy(
    lease=timedelta(seconds=90),
    heartbeat=timedelta(seconds=5),
    idle=timedelta(minutes=15),
    boot=timedelta(minutes=5),
    stop=timedelta(seconds=55),
    tick=timedelta(seconds=10),
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def node(**changes: Any) -> NodeView:
    """A node that sleeps."""
    facts: dict[str, Any] = {
        "name": "gpu-1",
        "wanted": Wanted.ASLEEP,
        "parked": False,
        "gate": Gate.OPEN,
        "gate_since": None,
        "cloud": CloudStatus.SHELVED_OFFLOADED,
        "task": None,
        "cloud_seen_at": NOW,
        "locked": False,
        "awake_since": None,
        "worker": None,
        "ready_at": None,
        "busy_until": None,
        "lease": None,
        "operation": None,
        "wake_requested": False,
        "failures": 0,
        "not_before": None,
    }
    return NodeView(**{**facts, **changes})


def booting(since: float = 10, **changes: Any) -> NodeView:
    """A node that was woken so many seconds ago, of whose worker nothing is known yet."""
    awake = {
        "cloud": CloudStatus.ACTIVE,
        "wanted": Wanted.AWAKE,
        "woken_here": True,
        "awake_since": ago(since),
        "active_since": ago(since),
    }
    return node(**{**awake, **changes})


def ready(idle: float = 0, **changes: Any) -> NodeView:
    """A node that has been idle for so many seconds."""
    facts = {
        "ready_at": ago(idle),
        "worker": Worker("boot-0001", WorkerState.READY, NOW),
        "awake_since": ago(idle + 60),
    }
    return booting(**{**facts, **changes})


def leased(until: float = 60, **changes: Any) -> NodeView:
    """A node with a job whose lease runs for so many more seconds."""
    return ready(**{"lease": Lease(1, JOB, NOW + timedelta(seconds=until)), **changes})


def operation(kind: OperationKind, age: float = 5, **changes: Any) -> Operation:
    """A call that was sent so many seconds ago."""
    facts: dict[str, Any] = {
        "id": 7,
        "kind": kind,
        "outcome": OperationOutcome.SENT,
        "intended_at": ago(age),
        "sent_at": ago(age),
        "deadline": NOW + timedelta(minutes=60),
    }
    return Operation(**{**facts, **changes})


def demand(
    jobs: int, minutes: float = 20, kind: str = "dub", *, urgent: bool = False
) -> tuple[Demand, ...]:
    """So many jobs that take so many minutes each."""
    return (Demand(kind, urgent, jobs, timedelta(minutes=minutes * jobs)),) if jobs else ()


def fleet(*nodes: NodeView, queued: int = 0, **changes: Any) -> FleetView:
    """A fleet whose site has been up for an hour."""
    facts: dict[str, Any] = {
        "now": NOW,
        "queue": demand(queued),
        "nodes": nodes,
        "site": Site(ago(3600), ago(1)),
        "spent": Spent(),
        "policy": POLICY,
    }
    return FleetView(**{**facts, **changes})

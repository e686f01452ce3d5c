"""How many nodes are awake, and which: by the backlog, the budget, and what is kept warm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.planner import plan
from orchestrator.policy.site import Site
from orchestrator.policy.steps import Call, Move, Preempt, Restart, Ring, Step, Why
from orchestrator.policy.views import Demand, FleetView, Lease, NodeView
from orchestrator.states import CloudStatus, Gate, OperationKind
from tests.orchestrator.policy.nodes import (
    JOB,
    NOW,
    POLICY,
    ago,
    booting,
    demand,
    fleet,
    leased,
    node,
    operation,
    ready,
)

UNSHELVE = OperationKind.UNSHELVE
LONG = 15 * 60 + 1
TIGHT = replace(POLICY, budget=Budget(day=Decimal(100)))
BROKE: dict[str, Any] = {"policy": TIGHT, "spent": Spent(day=Decimal(100))}


def wake(name: str, why: Why = Why.DEMAND) -> Call:
    return Call(name, UNSHELVE, why)


def drain(name: str, why: Why) -> Move:
    return Move(name, Gate.OPEN, Gate.DRAINING, why)


def busy(left: float, **changes: Any) -> NodeView:
    """A node whose job takes so many more minutes."""
    lease = Lease(1, JOB, NOW + timedelta(seconds=60), timedelta(minutes=left))
    return leased(**{"lease": lease, **changes})


def asked_to_give_back(seconds: float) -> dict[str, Any]:
    """So long ago."""
    return {"gate": Gate.DRAINING, "gate_why": Why.MAX_UPTIME, "gate_since": ago(seconds)}


WARM = replace(POLICY, keep_warm=1)

CASES: dict[str, tuple[FleetView, tuple[Step, ...]]] = {
    "a short backlog waits for the node that is up": (
        fleet(busy(3), node(name="gpu-2"), queue=demand(1, minutes=6)),
        (),
    ),
    "a long one wakes another": (
        fleet(busy(3), node(name="gpu-2"), queue=demand(1, minutes=8)),
        (wake("gpu-2"),),
    ),
    "a node that is about to be free counts for what it has left": (
        fleet(busy(0), node(name="gpu-2"), queue=demand(1, minutes=9)),
        (),
    ),
    "nodes are woken until the backlog is short enough, and no more": (
        fleet(*(node(name=f"gpu-{n}") for n in range(1, 6)), queue=demand(6, minutes=5)),
        (wake("gpu-1"), wake("gpu-2"), wake("gpu-3")),
    ),
    "never more nodes than jobs": (
        fleet(*(node(name=f"gpu-{n}") for n in range(1, 6)), queue=demand(2, minutes=500)),
        (wake("gpu-1"), wake("gpu-2")),
    ),
    "a node is not woken for what it cannot do": (
        fleet(node(kinds=frozenset({"reel"})), queue=demand(1)),
        (),
    ),
    "one that can is woken although another is idle": (
        fleet(
            ready(kinds=frozenset({"reel"})),
            node(name="gpu-2", kinds=frozenset({"dub"})),
            queue=demand(1),
        ),
        (wake("gpu-2"),),
    ),
    "a node that cannot do what waits sleeps when it is idle": (
        fleet(ready(idle=LONG, kinds=frozenset({"reel"})), queue=demand(1)),
        (drain("gpu-1", Why.IDLE),),
    ),
    "where a waking takes long, more waiting is put up with": (
        fleet(
            busy(3),
            node(name="gpu-2"),
            queue=demand(1, minutes=14),
            usual_wake=timedelta(minutes=20),
        ),
        (),
    ),
    "a node is kept warm": (
        fleet(node(), node(name="gpu-2"), policy=WARM),
        (wake("gpu-1", Why.KEPT_WARM),),
    ),
    "and stays up when it is idle": (fleet(ready(idle=LONG), policy=WARM), ()),
    "the one that was woken last goes to sleep": (
        fleet(
            ready(idle=LONG, awake_since=ago(5000)),
            ready(idle=LONG, awake_since=ago(2000), name="gpu-2"),
            policy=WARM,
        ),
        (drain("gpu-2", Why.IDLE),),
    ),
    "a spent budget wakes nobody": (fleet(node(), queue=demand(1), **BROKE), ()),
    "but for what is urgent": (
        fleet(node(), queue=demand(1, urgent=True), **BROKE),
        (wake("gpu-1"),),
    ),
    "nor keeps anybody warm": (
        fleet(node(), policy=replace(TIGHT, keep_warm=1), spent=Spent(day=Decimal(100))),
        (),
    ),
    "an idle node sleeps at once when the budget is spent": (
        fleet(ready(), queue=demand(1), **BROKE),
        (drain("gpu-1", Why.BUDGET),),
    ),
    "a job that runs is not touched by it": (fleet(busy(5), queue=demand(1), **BROKE), ()),
    "a budget that is nearly spent changes nothing": (
        fleet(node(), queue=demand(1), policy=TIGHT, spent=Spent(day=Decimal(99))),
        (wake("gpu-1"),),
    ),
    "the rest of the bells are not rung when there is less work than nodes": (
        fleet(
            ready(name="gpu-2", awake_since=ago(900)),
            ready(awake_since=ago(100)),
            queue=demand(1),
        ),
        (Ring("gpu-2"),),
    ),
    "at max uptime an idle node is drained, whatever waits": (
        fleet(ready(awake_since=ago(12 * 3600)), queue=demand(1)),
        (drain("gpu-1", Why.MAX_UPTIME),),
    ),
    "a working one is told to give its job back": (
        fleet(busy(5, awake_since=ago(12 * 3600))),
        (drain("gpu-1", Why.MAX_UPTIME),),
    ),
    "and is given time to": (
        fleet(busy(5, awake_since=ago(13 * 3600), **asked_to_give_back(144))),
        (),
    ),
    "however late that is noticed": (
        fleet(busy(5, awake_since=ago(13 * 3600), gate=Gate.DRAINING, gate_why=Why.PARKED)),
        (Move("gpu-1", Gate.DRAINING, Gate.DRAINING, Why.MAX_UPTIME),),
    ),
    "then the job is taken back": (
        fleet(busy(5, awake_since=ago(13 * 3600), **asked_to_give_back(146))),
        (Preempt("gpu-1", 1),),
    ),
    "but not while the site may not have been heard": (
        fleet(
            busy(5, awake_since=ago(13 * 3600), **asked_to_give_back(146)),
            site=Site(ago(89), ago(1)),
        ),
        (),
    ),
    "a gate that was closed for it does not open again": (
        fleet(
            ready(awake_since=ago(12 * 3600), gate=Gate.DRAINING, gate_why=Why.MAX_UPTIME),
            queue=demand(1),
        ),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.MAX_UPTIME),),
    ),
    "a node in quarantine is drained": (
        fleet(ready(quarantined_until=ago(-60)), queue=demand(1)),
        (drain("gpu-1", Why.QUARANTINE),),
    ),
    "and is not woken": (fleet(node(quarantined_until=ago(-60)), queue=demand(1)), ()),
    "until it is over": (
        fleet(node(quarantined_until=ago(0)), queue=demand(1)),
        (wake("gpu-1"),),
    ),
    "a gate that opens again for the work wakes nobody else for it": (
        fleet(
            ready(gate=Gate.DRAINING, gate_why=Why.IDLE),
            node(name="gpu-2"),
            queue=demand(1),
        ),
        (Move("gpu-1", Gate.DRAINING, Gate.OPEN, Why.DEMAND),),
    ),
    "another takes its place": (
        fleet(
            ready(quarantined_until=ago(-60), gate=Gate.DRAINING, gate_why=Why.QUARANTINE),
            node(name="gpu-2"),
            queue=demand(1),
        ),
        (Move("gpu-1", Gate.DRAINING, Gate.STOPPING, Why.QUARANTINE), wake("gpu-2")),
    ),
    "a server that keeps its GPU although it is shelved can be woken": (
        fleet(node(cloud=CloudStatus.SHELVED), queue=demand(1)),
        (wake("gpu-1"),),
    ),
    "a worker that does not hear is started anew": (
        fleet(ready(rung_at=ago(61), reachable=True), queue=demand(1)),
        (Restart("gpu-1"), Ring("gpu-1")),
    ),
    "it is given time after that": (
        fleet(
            ready(rung_at=ago(100), restarted_at=ago(59), restarts=1, reachable=True),
            queue=demand(1),
        ),
        (Ring("gpu-1"),),
    ),
    "where there is no way to, it is only rung": (
        fleet(ready(rung_at=ago(61)), queue=demand(1)),
        (Ring("gpu-1"),),
    ),
    "and drained in the end": (
        fleet(ready(idle=400, rung_at=ago(301)), queue=demand(1)),
        (drain("gpu-1", Why.WORKER_DEAF),),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_follows(case: str) -> None:
    view, expected = CASES[case]
    assert plan(view) == expected


fleets = st.builds(
    lambda asleep, booted, working, jobs, minutes, warm: fleet(
        *(node(name=f"asleep-{n}") for n in range(asleep)),
        *(booting(name=f"booting-{n}") for n in range(booted)),
        *(busy(20, name=f"working-{n}") for n in range(working)),
        queue=demand(jobs, minutes=minutes),
        policy=replace(POLICY, keep_warm=warm),
    ),
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 12),
    st.floats(0.1, 120),
    st.integers(0, 3),
)


def woken(view: FleetView) -> FleetView:
    """The fleet once the calls of a plan have been made."""
    called = {step.node for step in plan(view) if isinstance(step, Call)}
    nodes = tuple(
        replace(one, operation=operation(UNSHELVE), task="unshelving")
        if one.name in called
        else one
        for one in view.nodes
    )
    return replace(view, nodes=nodes)


@given(fleets)
def test_the_same_demand_wakes_nobody_twice(view: FleetView) -> None:
    """Nodes on their way count: what follows from a plan is a fixed point."""
    after = woken(view)
    assert not [step for step in plan(after) if isinstance(step, Call)]


@given(fleets)
def test_what_was_woken_is_not_put_to_sleep_by_the_same_view(view: FleetView) -> None:
    """Up and down do not fight: a node that gets ready for the demand it was woken for stays."""
    called = {step.node for step in plan(view) if isinstance(step, Call)}
    up = tuple(ready(name=one.name) if one.name in called else one for one in view.nodes)
    after = plan(replace(view, nodes=up))
    assert not [step for step in after if isinstance(step, Move) and step.node in called]


@given(fleets, st.integers(1, 10))
def test_more_work_never_wakes_fewer_nodes(view: FleetView, more: int) -> None:
    dubs = view.queue[0] if view.queue else Demand("dub", False, 0, timedelta())
    larger = replace(dubs, jobs=dubs.jobs + more, work=dubs.work + timedelta(minutes=5 * more))
    before = [step for step in plan(view) if isinstance(step, Call)]
    after = [step for step in plan(replace(view, queue=(larger,))) if isinstance(step, Call)]
    assert len(after) >= len(before)


@given(fleets)
def test_somebody_serves_whatever_waits(view: FleetView) -> None:
    if not view.queued:
        return
    assert any(not one.name.startswith("asleep") for one in view.nodes) or (
        not view.nodes or any(isinstance(step, Call) for step in plan(view))
    )

"""Any fleet at all, sensible or not, for properties that must hold for every one."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.schedule import Queued
from orchestrator.policy.site import Site
from orchestrator.policy.steps import Why
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
from tests.orchestrator.policy.nodes import JOB, NOW

KINDS = ("dub", "toy")


def moments() -> st.SearchStrategy[datetime]:
    return st.integers(-100_000, 100_000).map(lambda seconds: NOW + timedelta(seconds=seconds))


def spans() -> st.SearchStrategy[timedelta]:
    return st.integers(0, 10**7).map(lambda seconds: timedelta(seconds=seconds))


def maybe(moment: st.SearchStrategy[datetime]) -> st.SearchStrategy[datetime | None]:
    return st.none() | moment


def operations() -> st.SearchStrategy[Operation]:
    return st.builds(
        Operation,
        id=st.just(1),
        kind=st.sampled_from(OperationKind),
        outcome=st.sampled_from([OperationOutcome.INTENDED, OperationOutcome.SENT]),
        intended_at=moments(),
        sent_at=maybe(moments()),
        deadline=moments(),
        send_by=maybe(moments()),
    )


def nodes(name: str) -> st.SearchStrategy[NodeView]:
    return st.builds(
        NodeView,
        name=st.just(name),
        wanted=st.sampled_from(Wanted),
        parked=st.booleans(),
        gate=st.sampled_from(Gate),
        gate_since=maybe(moments()),
        cloud=st.sampled_from(CloudStatus),
        task=st.sampled_from([None, None, "shelving", "unshelving", "spawning"]),
        cloud_seen_at=maybe(moments()),
        locked=st.booleans(),
        awake_since=maybe(moments()),
        worker=st.none()
        | st.builds(Worker, st.just("boot"), st.sampled_from(WorkerState), moments()),
        ready_at=maybe(moments()),
        busy_until=maybe(moments()),
        lease=st.none() | st.builds(Lease, st.just(1), st.just(JOB), moments(), spans()),
        operation=st.none() | operations(),
        wake_requested=st.booleans(),
        failures=st.integers(0, 9),
        not_before=maybe(moments()),
        active_since=maybe(moments()),
        gate_why=st.sampled_from(["", "retired", *Why]),
        kinds=st.frozensets(st.sampled_from(KINDS)),
        quarantined_until=maybe(moments()),
    )


def queues() -> st.SearchStrategy[list[Queued]]:
    job = st.builds(Queued, st.sampled_from(KINDS), st.booleans(), moments(), spans())
    return st.lists(job, max_size=8)


@st.composite
def fleets(draw: st.DrawFn, queue: list[Queued] | None = None) -> FleetView:
    """A fleet of up to five nodes; its demand is what of the queue may be claimed now."""
    count = draw(st.integers(0, 5))
    money = st.none() | st.integers(0, 100).map(Decimal)
    return FleetView(
        now=NOW,
        queue=tuple(
            Demand(job.kind, job.urgent, 1, job.work)
            for job in queue or []
            if job.not_before <= NOW
        ),
        nodes=tuple(draw(nodes(f"gpu-{number}")) for number in range(count)),
        site=Site(draw(maybe(moments())), draw(maybe(moments()))),
        spent=Spent(Decimal(draw(st.integers(0, 200))), Decimal(draw(st.integers(0, 200)))),
        policy=Policy(
            lease=timedelta(seconds=90),
            heartbeat=timedelta(seconds=5),
            idle=timedelta(minutes=15),
            boot=timedelta(minutes=5),
            stop=timedelta(seconds=55),
            tick=timedelta(seconds=10),
            keep_warm=draw(st.integers(0, 2)),
            budget=Budget(draw(money), draw(money)),
        ),
        usual_wake=draw(spans()),
    )

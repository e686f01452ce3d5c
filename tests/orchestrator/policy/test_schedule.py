"""When queued jobs are expected to begin, and where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.schedule import CLAIM, OVERDUE, Queued, Via, schedule
from orchestrator.policy.views import FleetView, Lease
from orchestrator.states import CloudStatus
from tests.orchestrator.policy.any_fleet import fleets, queues
from tests.orchestrator.policy.nodes import (
    JOB,
    NOW,
    ago,
    booting,
    demand,
    fleet,
    leased,
    node,
    ready,
)

MINUTE = timedelta(minutes=1)


def job(minutes: float = 20, kind: str = "dub", **changes: Any) -> Queued:
    facts = {"urgent": False, "not_before": NOW, "work": minutes * MINUTE, **changes}
    return Queued(kind=kind, **facts)


def working(minutes: float, **changes: Any) -> Any:
    lease = Lease(1, JOB, NOW + MINUTE, minutes * MINUTE)
    return leased(lease=lease, **changes)


def minutes_until(view: FleetView, *queue: Queued) -> list[float | None]:
    return [
        round((start.at - NOW) / MINUTE, 2) if start is not None else None
        for start in schedule(view, queue)
    ]


def test_jobs_follow_each_other_on_the_one_node_there_is() -> None:
    assert minutes_until(fleet(working(7)), job(20), job(5), job(1)) == [7, 27, 32]


def test_each_job_goes_to_whoever_is_free_first() -> None:
    both = fleet(working(7), working(3, name="gpu-2"))
    assert minutes_until(both, job(20), job(20), job(20)) == [3, 7, 23]


def test_a_node_that_would_be_woken_for_the_backlog_counts() -> None:
    asleep = node(name="gpu-2")
    view = fleet(working(30), asleep, queue=demand(2), usual_wake=2 * MINUTE)
    assert minutes_until(view, job(20), job(20)) == [2, 22]


def test_one_that_would_not_be_woken_does_not() -> None:
    view = fleet(working(1), node(name="gpu-2"), queue=demand(1, minutes=1))
    assert minutes_until(view, job(1)) == [1]


def test_a_job_goes_only_where_its_kind_is_done() -> None:
    view = fleet(ready(kinds=frozenset({"toy"})), working(9, name="gpu-2"))
    [start] = schedule(view, [job(kind="dub")])
    assert start is not None
    assert (start.node.name, start.via) == ("gpu-2", Via.BUSY)


def test_a_job_that_waits_for_its_next_try_lets_others_go_first() -> None:
    later = job(5, not_before=NOW + 30 * MINUTE)
    assert minutes_until(fleet(ready()), later, job(10)) == [30, round(CLAIM / MINUTE, 2)]


def test_what_takes_longer_than_expected_is_given_a_little_more() -> None:
    [start] = schedule(fleet(working(0)), [job()])
    assert start is not None
    assert start.at == NOW + OVERDUE


def test_a_boot_that_has_begun_takes_less() -> None:
    view = fleet(booting(since=40), usual_wake=timedelta(seconds=70))
    [start] = schedule(view, [job()])
    assert start is not None
    assert (start.at, start.via) == (NOW + timedelta(seconds=30), Via.BOOTING)


def test_where_nobody_serves_the_first_who_will_be_able_is_taken() -> None:
    view = fleet(
        node(not_before=ago(-600), failures=1),
        node(name="gpu-2", not_before=ago(-120), failures=1),
        usual_wake=MINUTE,
    )
    [start] = schedule(view, [job()])
    assert start is not None
    assert (start.node.name, start.at, start.via) == ("gpu-2", NOW + 3 * MINUTE, Via.LATER)


def test_a_server_in_error_is_nobody() -> None:
    assert schedule(fleet(node(cloud=CloudStatus.ERROR)), [job()]) == (None,)


@given(st.data())
def test_no_job_begins_before_it_may_or_beside_another_on_its_node(data: st.DataObject) -> None:
    queue = data.draw(queues())
    view = data.draw(fleets(queue))
    busy: dict[str, list[tuple[Any, Any]]] = {}
    for queued, start in zip(queue, schedule(view, queue), strict=True):
        if start is None:
            continue
        assert start.at >= max(NOW, queued.not_before)
        assert start.node.serves(queued.kind)
        times = busy.setdefault(start.node.name, [])
        end = start.at + min(queued.work, timedelta(days=30))
        assert all(end <= begun or start.at >= over for begun, over in times)
        times.append((start.at, end))


@given(st.data())
def test_a_kind_has_a_start_for_all_its_jobs_or_for_none(data: st.DataObject) -> None:
    queue = data.draw(queues())
    view = data.draw(fleets(queue))
    spent = view.policy.budget.exhausted(view.spent)
    for kind in ("dub", "toy"):
        known = {
            start is not None
            for queued, start in zip(queue, schedule(view, queue), strict=True)
            if queued.kind == kind and (queued.urgent or not spent)
        }
        assert len(known) <= 1

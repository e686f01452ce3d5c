"""The ledger: no gap, no overlap, and money rounded once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import ledger
from orchestrator.ledger import Stretch, cost, seconds_by_cause, wakings
from orchestrator.models import LedgerEntry, Node
from orchestrator.states import Cause
from tests.orchestrator.policy.nodes import NOW
from tests.orchestrator.rows import ManualClock


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.django_db
def test_a_change_closes_one_and_opens_the_next_at_the_same_moment(
    node: Node, clock: ManualClock
) -> None:
    for cause in (Cause.BOOT, Cause.BOOT, Cause.IDLE, None):
        ledger.enter(node.pk, cause, clock.now())
        clock.advance(10)
    rows = list(LedgerEntry.objects.order_by("started_at"))
    assert [row.cause for row in rows] == [Cause.BOOT, Cause.IDLE]
    assert rows[0].ended_at == rows[1].started_at == rows[0].started_at + at(20)
    assert rows[1].ended_at == rows[1].started_at + at(10)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "split"), [(Cause.IDLE, True), (Cause.BOOT, True), (Cause.HOLD, False)]
)
def test_a_failure_begins_when_the_limit_was_passed(
    node: Node, clock: ManualClock, before: Cause, split: bool
) -> None:
    began = clock.now()
    ledger.enter(node.pk, before, began)
    clock.advance(100)
    ledger.enter(node.pk, Cause.FAILURE, clock.now(), limit=began + at(30))
    failed = LedgerEntry.objects.get(cause=Cause.FAILURE)
    assert failed.started_at == began + at(30 if split else 100)


@pytest.mark.django_db
def test_what_was_too_long_is_a_failure_whatever_follows(node: Node, clock: ManualClock) -> None:
    began = clock.now()
    ledger.enter(node.pk, Cause.IDLE, began)
    clock.advance(100)
    ledger.enter(node.pk, None, clock.now(), limit=began + at(30))
    rows = LedgerEntry.objects.order_by("started_at").values_list("cause", "started_at", "ended_at")
    assert list(rows) == [
        (Cause.IDLE, began, began + at(30)),
        (Cause.FAILURE, began + at(30), began + at(100)),
    ]


@pytest.mark.django_db
def test_a_stretch_never_ends_before_it_began(node: Node, clock: ManualClock) -> None:
    ledger.enter(node.pk, Cause.JOB, clock.now())
    clock.advance(-5)
    ledger.enter(node.pk, Cause.IDLE, clock.now())
    # What lasted no time at all is not written down.
    [row] = LedgerEntry.objects.all()
    assert (row.cause, row.started_at) == (Cause.IDLE, clock.now() + timedelta(seconds=5))


@given(
    st.lists(st.tuples(st.sampled_from(Cause), st.integers(0, 3600)), min_size=1, max_size=30),
    st.integers(0, 4000),
    st.integers(0, 4000),
)
def test_no_second_is_counted_twice_or_left_out(
    lengths: list[tuple[Cause, int]], begin: int, length: int
) -> None:
    stretches, time = [], NOW
    for cause, seconds in lengths:
        stretches.append(Stretch(cause, time, time + at(seconds)))
        time += at(seconds)
    start, end = NOW + at(begin), NOW + at(begin + length)
    counted = sum(seconds_by_cause(stretches, start, end).values())
    assert counted == max(0.0, (min(end, time) - min(start, time)).total_seconds())


def test_wakings_are_divided_where_it_slept() -> None:
    ledger_of_a_day = [
        Stretch(Cause.BOOT, NOW, NOW + at(5)),
        Stretch(Cause.JOB, NOW + at(5), NOW + at(9)),
        Stretch(Cause.BOOT, NOW + at(100), None),
    ]
    assert [len(waking) for waking in wakings(ledger_of_a_day)] == [2, 1]


@pytest.mark.parametrize(
    ("seconds", "price", "expected"),
    [
        (3600, "82.76", "82.76"),
        (1800, "82.76", "41.38"),
        (1, "82.76", "0.02"),
        (0, "82.76", "0.00"),
        (1.8, "10", "0.00"),
        (5.4, "10", "0.02"),
        (86400, "145.97", "3503.28"),
    ],
)
def test_money_is_rounded_once_half_to_even(seconds: float, price: str, expected: str) -> None:
    assert cost(seconds, Decimal(price)) == Decimal(expected)

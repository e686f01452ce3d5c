"""Budgets, and how long jobs are taken to last."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.budget import Budget, Purse, Spent
from orchestrator.policy.durations import ENOUGH, Sample, learn

BOTH = Budget(day=Decimal(100), month=Decimal(1000))


@pytest.mark.parametrize(
    ("day", "month", "purse"),
    [
        (0, 0, Purse.OPEN),
        (79, 0, Purse.OPEN),
        (80, 0, Purse.LOW),
        (0, 800, Purse.LOW),
        (100, 0, Purse.EMPTY),
        (50, 1000, Purse.EMPTY),
        (5000, 5000, Purse.EMPTY),
    ],
)
def test_the_tighter_limit_counts(day: int, month: int, purse: Purse) -> None:
    assert BOTH.purse(Spent(Decimal(day), Decimal(month))) is purse


def test_without_limits_nothing_is_ever_spent() -> None:
    assert Budget().purse(Spent(Decimal("1e9"), Decimal("1e9"))) is Purse.OPEN


money = st.decimals(0, 10_000, places=2)


@given(money, money, money)
def test_spending_more_never_opens_a_purse(day: Decimal, month: Decimal, more: Decimal) -> None:
    order = [Purse.OPEN, Purse.LOW, Purse.EMPTY]
    before = BOTH.purse(Spent(day, month))
    after = BOTH.purse(Spent(day + more, month + more))
    assert order.index(after) >= order.index(before)


def dubs(*ratios: float) -> list[Sample]:
    return [Sample("dub", ratio * 600, 600) for ratio in ratios]


def test_before_enough_is_seen_the_prior_holds() -> None:
    known = learn(dubs(*[9.0] * (ENOUGH - 1)), 1.5)
    assert known.seconds("dub", 600) == 900


def test_then_the_75th_percentile_does() -> None:
    known = learn(dubs(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 1.5)
    assert known.seconds("dub", 100) == pytest.approx(60)


def test_one_kind_says_nothing_of_another() -> None:
    known = learn(dubs(*[0.2] * 10), 1.5)
    assert known.seconds("reel", 100) == 150


def test_jobs_without_media_have_a_time_of_their_own() -> None:
    known = learn([Sample("note", seconds, None) for seconds in (1, 2, 3, 4, 50)], 1.5)
    assert known.seconds("note", None) == 4
    assert known.work("note", 0, 3) == timedelta(seconds=12)


@given(st.lists(st.floats(0.01, 50), min_size=ENOUGH), st.floats(1, 10_000))
def test_a_job_is_taken_to_last_as_long_as_one_that_was_seen(
    ratios: list[float], media: float
) -> None:
    known = learn(dubs(*ratios), 1.5)
    assert min(ratios) * media * 0.999 <= known.seconds("dub", media)
    assert known.seconds("dub", media) <= max(ratios) * media * 1.001


@given(st.lists(st.floats(1, 5000), max_size=20), st.integers(0, 5))
def test_many_jobs_take_what_they_take_one_by_one(lengths: list[float], without: int) -> None:
    known = learn([], 1.5)
    together = known.work("dub", sum(lengths), without).total_seconds()
    apart = sum(known.seconds("dub", length) for length in lengths)
    assert together == pytest.approx(apart + without * known.seconds("dub", None), abs=1e-3)

"""Money divided: whole cents, and no cent lost or made."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.apportion import Piece, apportion, cents, in_cents
from orchestrator.states import Cause

A, B = UUID(int=1), UUID(int=2)
CENT = Decimal("0.01")


def piece(cause: Cause, seconds: int, job: UUID | None = None, waking: int = 1) -> Piece:
    return Piece(waking, cause, job, Fraction(seconds), Decimal(36))


def test_what_a_waking_cost_besides_is_divided_by_job_time() -> None:
    shares = apportion(
        [
            piece(Cause.BOOT, 100),
            piece(Cause.JOB, 300, A),
            piece(Cause.JOB, 100, B),
            piece(Cause.IDLE, 100),
        ]
    )
    assert shares.whole == Decimal("6.00")
    assert shares.own == {A: Decimal("3.00"), B: Decimal("1.00")}
    assert shares.overhead == {A: Decimal("1.50"), B: Decimal("0.50")}


def test_another_waking_is_not_this_jobs_affair() -> None:
    shares = apportion(
        [piece(Cause.JOB, 100, A), piece(Cause.IDLE, 50), piece(Cause.FAILURE, 700, waking=2)]
    )
    assert shares.overhead == {A: Decimal("0.50"), None: Decimal("7.00")}


def test_three_equal_parts_of_a_cent_go_to_the_first() -> None:
    third = Fraction(1, 300)
    assert in_cents({"a": third, "b": third, "c": third}, CENT) == {
        "a": CENT,
        "b": 0,
        "c": 0,
    }


@given(
    st.lists(
        st.builds(
            Piece,
            st.integers(1, 4),
            st.sampled_from(Cause),
            st.none() | st.integers(1, 6).map(lambda number: UUID(int=number)),
            st.fractions(0, 100_000, max_denominator=10**6),
            st.decimals(0, 500, places=4),
        ),
        max_size=40,
    )
)
def test_the_parts_are_whole_cents_and_add_up_to_the_whole(pieces: list[Piece]) -> None:
    shares = apportion(pieces)
    exact = sum((one.cost for one in pieces), Fraction(0))
    assert abs(Fraction(shares.whole) - exact) <= Fraction(1, 200)
    assert sum(shares.causes.values(), Decimal(0)) == shares.whole
    parts = [*shares.own.values(), *shares.overhead.values()]
    assert sum(parts, Decimal(0)) == shares.whole
    assert all(part >= 0 and part % CENT == 0 for part in [*parts, *shares.causes.values()])


@given(
    st.dictionaries(st.integers(), st.fractions(0, 10**6), min_size=1, max_size=20),
    st.integers(0, 10**9),
)
def test_nobody_is_a_cent_from_the_quota(parts: dict[int, Fraction], count: int) -> None:
    whole = count * CENT
    total = sum(parts.values(), Fraction(0))
    for key, share in in_cents(parts, whole).items():
        quota = Fraction(whole) * parts[key] / total if total else Fraction(0)
        assert abs(Fraction(share) - quota) < Fraction(CENT)


@given(st.fractions(0, 10**9, max_denominator=10**9))
def test_rounding_is_to_the_nearest_cent(exact: Fraction) -> None:
    assert abs(Fraction(cents(exact)) - exact) <= Fraction(1, 200) + Fraction(1, 10**15)

"""The timing fit: what must hold for any lines, and a few lessons by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.timing.fit import DEFAULT_LIMITS, Limits, Line, Timing, fit

TINY = 1e-6


@st.composite
def lessons(draw: st.DrawFn, most: int = 40) -> tuple[list[Line], float]:
    """Lines in order of onset, crowded as often as not, and the lesson's end."""
    count = draw(st.integers(0, most))
    at, lines = draw(st.floats(0, 3)), []
    for number in range(count):
        duration = draw(st.floats(0.1, 8.0))
        lines.append(Line(f"u{number:04d}", at, duration))
        at += draw(st.floats(0.05, 6.0))
    return lines, at + draw(st.floats(0, 5))


def occupied(lines: Sequence[Line], timing: Timing) -> list[tuple[float, float]]:
    duration = {line.id: line.duration for line in lines}
    return [(p.start, p.start + duration[p.id] / p.rate) for p in timing.placed]


@given(lessons())
def test_every_line_is_in_exactly_one_of_the_two(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    timing = fit(lines, end)
    found = sorted([p.id for p in timing.placed] + [u.id for u in timing.unplaced])
    assert found == [line.id for line in lines]


@given(lessons())
def test_lines_never_overlap_nor_leave_the_lesson(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    spans = occupied(lines, fit(lines, end))
    for before, after in itertools.pairwise(spans):
        assert after[0] >= before[1] + DEFAULT_LIMITS.min_gap - TINY
    assert all(span[1] <= end + TINY for span in spans)


@given(lessons())
def test_rate_and_lateness_stay_within_their_limits(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    onset = {line.id: line.onset for line in lines}
    for placed in fit(lines, end).placed:
        assert 1.0 <= placed.rate <= DEFAULT_LIMITS.max_rate + TINY
        assert -TINY <= placed.start - onset[placed.id] <= DEFAULT_LIMITS.max_lateness + TINY


@given(lessons())
def test_nothing_is_sped_up_that_has_room(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    timing = fit(lines, end)
    duration = {line.id: line.duration for line in lines}
    onset = {line.id: line.onset for line in lines}
    for placed, following in itertools.pairwise([*timing.placed, None]):
        assert placed is not None
        until = onset[following.id] - DEFAULT_LIMITS.min_gap if following else end
        if placed.start + duration[placed.id] <= until - TINY:
            assert placed.rate == 1.0


@given(lessons())
def test_a_line_is_late_only_behind_another(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    timing = fit(lines, end)
    onset = {line.id: line.onset for line in lines}
    free_at = float("-inf")
    for placed, span in zip(timing.placed, occupied(lines, timing), strict=True):
        assert placed.start == pytest.approx(max(onset[placed.id], free_at), abs=TINY)
        free_at = span[1] + DEFAULT_LIMITS.min_gap


@settings(max_examples=200, deadline=None)
@given(lessons(most=7))
def test_as_few_lines_are_left_out_as_possible(lesson: tuple[list[Line], float]) -> None:
    lines, end = lesson
    assert len(fit(lines, end).unplaced) == fewest_left_out(lines, end, DEFAULT_LIMITS)


def fewest_left_out(lines: Sequence[Line], end: float, limits: Limits) -> int:
    """By trying every subset, all lines at full speed and as early as they may."""
    for left_out in range(len(lines) + 1):
        for gone in itertools.combinations(range(len(lines)), left_out):
            if feasible([x for i, x in enumerate(lines) if i not in gone], end, limits):
                return left_out
    raise AssertionError("leaving out everything is always possible")


def feasible(lines: Sequence[Line], end: float, limits: Limits) -> bool:
    free_at = float("-inf")
    for line in lines:
        start = max(line.onset, free_at)
        over = start + line.duration / limits.max_rate
        if start > line.onset + limits.max_lateness + 1e-9 or over > end + 1e-9:
            return False
        free_at = over + limits.min_gap
    return True


@given(lessons(), st.floats(0, 50))
def test_moving_the_lesson_moves_the_dub(lesson: tuple[list[Line], float], by: float) -> None:
    lines, end = lesson
    moved = [Line(line.id, line.onset + by, line.duration) for line in lines]
    before, after = fit(lines, end), fit(moved, end + by)
    for one, other in zip(before.placed, after.placed, strict=False):
        if one.id == other.id:
            assert other.start - one.start == pytest.approx(by, abs=1e-3)


def test_a_line_with_room_is_left_alone() -> None:
    timing = fit([Line("a", 1.0, 2.0), Line("b", 5.0, 2.0)], 10.0)
    assert [(p.start, p.rate) for p in timing.placed] == [(1.0, 1.0), (5.0, 1.0)]


def test_the_pause_is_borrowed_before_the_voice_is_sped_up() -> None:
    (first, _) = fit([Line("a", 1.0, 3.9), Line("b", 5.0, 1.0)], 10.0).placed
    assert first.rate == 1.0


def test_a_tight_line_is_sped_up_just_enough_for_the_next_to_be_on_time() -> None:
    first, second = fit([Line("a", 0.0, 4.4), Line("b", 4.0, 1.0)], 10.0).placed
    assert first.rate == pytest.approx(4.4 / 3.92)
    assert second.start == pytest.approx(4.0)


def test_what_speed_cannot_give_is_lateness_of_the_next() -> None:
    first, second = fit([Line("a", 0.0, 5.5), Line("b", 4.0, 1.0)], 10.0).placed
    assert first.rate == 1.25
    assert second.start == pytest.approx(4.48)


def test_an_impossible_line_is_reported_with_what_it_lacks() -> None:
    timing = fit([Line("a", 0.0, 9.0), Line("b", 3.0, 2.0)], 6.0)
    (unplaced,) = timing.unplaced
    assert unplaced.id == "a"
    assert unplaced.room == pytest.approx(2.92)
    assert unplaced.missing == pytest.approx(9 / 1.25 - 2.92)
    assert [p.id for p in timing.placed] == ["b"]


def test_a_line_that_would_run_past_the_end_is_reported_not_cut() -> None:
    assert [u.id for u in fit([Line("a", 8.0, 3.0)], 10.0).unplaced] == ["a"]


def test_a_difference_under_two_percent_is_not_worth_a_stretch() -> None:
    first, second = fit([Line("a", 0.0, 4.0), Line("b", 4.05, 1.0)], 10.0).placed
    assert first.rate == 1.0
    assert second.start == pytest.approx(4.08)


def test_a_long_lesson_is_fitted_in_a_moment() -> None:
    lines = [Line(f"u{n}", n * 3.0, 3.4) for n in range(5000)]
    timing = fit(lines, 15_010.0)
    assert not timing.unplaced

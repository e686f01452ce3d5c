"""A node's past as a picture and as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.fleet.event_words import said
from campus.fleet.timeline import (
    LEAST,
    TICKS,
    WIDTH,
    Billed,
    Event,
    Span,
    State,
    bars,
    duration,
    marks,
    states,
    ticks,
)
from orchestrator.states import Cause

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START = NOW - timedelta(seconds=1000)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def billed(cause: Cause, begin: float, end: float | None, label: str = "") -> Billed:
    return Billed(cause, ago(begin), None if end is None else ago(end), label)


def seen(*ledger: Billed, events: tuple[Event, ...] = ()) -> list[tuple[str, float, str]]:
    found = states(ledger, events, START, NOW)
    return [(state.words, state.seconds, state.why) for state in found]


def test_a_waking_between_two_sleeps() -> None:
    events = (
        Event(ago(800), "wake", "demand"),
        Event(ago(301), "gate_draining", "idle"),
    )
    assert seen(
        billed(Cause.JOB, 700, 400, "Acids, Spanish"),
        billed(Cause.BOOT, 801, 700),
        billed(Cause.IDLE, 400, 300),
        billed(Cause.DRAIN, 300, 200),
        events=events,
    ) == [
        ("asleep", 199, ""),
        ("starting", 101, "is woken: there is work"),
        ("working", 300, "Acids, Spanish"),
        ("idle", 100, ""),
        ("draining", 100, "takes no more jobs: idle for as long as the rules allow"),
        ("asleep", 200, ""),
    ]


def test_what_still_lasts_and_what_began_before() -> None:
    assert seen(billed(Cause.HOLD, 9000, 600), billed(Cause.FAILURE, 600, None)) == [
        ("held by an operator", 400, ""),
        ("failure", 600, ""),
    ]


def test_a_failure_says_what_happened_then() -> None:
    broken = Event(ago(500), "worker_broken", "Ollama does not answer.")
    [*_, failed] = seen(billed(Cause.FAILURE, 500, None), events=(broken,))
    assert failed[2] == "its worker cannot work: Ollama does not answer"


def test_a_waking_as_bars() -> None:
    shown = states([billed(Cause.JOB, 500, 100)], (), START, NOW)
    drawn = bars(shown, START, NOW)
    assert [(bar.key, bar.x, bar.width) for bar in drawn] == [
        ("asleep", 0, 500),
        ("job", 500, 400),
        ("asleep", 900, 100),
    ]
    assert drawn[1].title == "working, 6 min 40 s"


def test_what_is_too_short_is_drawn_over_its_neighbours() -> None:
    shown = states([billed(Cause.FAILURE, 0.5, None)], (), START, NOW)
    drawn = bars(shown, START, NOW)
    assert [bar.key for bar in drawn] == ["asleep", "failure"]
    assert drawn[-1].width == LEAST
    assert drawn[-1].x == WIDTH - LEAST


def test_a_short_failure_is_not_hidden_by_its_neighbours() -> None:
    shown = states(
        [
            billed(Cause.BOOT, 500, 499.2),
            billed(Cause.FAILURE, 499.2, 499.1),
            billed(Cause.IDLE, 499.1, 498.5),
        ],
        (),
        START,
        NOW,
    )
    [narrow] = [bar for bar in bars(shown, START, NOW) if bar.width <= LEAST]
    assert narrow.key == "failure"
    assert narrow.title == "failure and 2 more in 2 s"


def test_marks_are_what_stands_out() -> None:
    events = [
        Event(ago(500), "wake_failed", "no_capacity"),
        Event(ago(400), "worker_ready", ""),
        Event(ago(5000), "held", "Held by ops."),
    ]
    [mark] = marks(events, START, NOW)
    assert (mark.x, mark.title) == (500, "was not woken: the cloud had no GPU free")


@pytest.mark.parametrize("span", Span)
def test_ticks_are_evenly_spread(span: Span) -> None:
    found = ticks(NOW - span.length, NOW)
    assert (found[0], found[-1]) == (NOW - span.length, NOW)
    assert {later - earlier for earlier, later in pairwise(found)} == {span.length / TICKS}


def stretches() -> st.SearchStrategy[list[Billed]]:
    """As a ledger is: in order, and one after the other."""
    length = st.tuples(st.sampled_from(Cause), st.floats(0, 400), st.floats(0, 300))

    def laid_out(lengths: list[tuple[Cause, float, float]]) -> list[Billed]:
        found, at = [], 1500.0
        for cause, seconds, pause in lengths:
            found.append(billed(cause, at, at - seconds))
            at -= seconds + pause
        return found

    return st.lists(length, max_size=30).map(laid_out)


@given(stretches())
def test_states_fill_the_time_without_gap_or_overlap(ledger: list[Billed]) -> None:
    shown = states(ledger, (), START, NOW)
    assert shown[0].start == START
    assert shown[-1].end == NOW
    assert all(one.end == two.start for one, two in pairwise(shown))
    assert all(state.seconds > 0 for state in shown)


@given(stretches(), st.integers(0, 900))
def test_bars_lie_in_the_picture_and_are_not_too_many(ledger: list[Billed], known: int) -> None:
    shown = states(ledger, (), START + timedelta(seconds=known), NOW)
    drawn = bars(shown, START, NOW)
    assert len(drawn) <= 2 * WIDTH / LEAST
    for bar in drawn:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH + 0.02
        assert bar.width >= LEAST


@given(st.lists(st.floats(0.001, 0.9), min_size=1, max_size=300))
def test_ever_so_many_short_states_make_few_bars(lengths: list[float]) -> None:
    shown, at = [], START
    for number, seconds in enumerate(lengths):
        end = at + timedelta(seconds=seconds)
        shown.append(State(list(Cause)[number % 8], at, end))
        at = end
    assert len(bars(shown, START, NOW)) <= sum(lengths) / (LEAST * 1000 / WIDTH) + 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (7500, "2 h 5 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("what", "sentence", "words"),
    [
        ("wake", "demand", "is woken: there is work"),
        ("wake_done", "done", "runs"),
        ("cloud_shelved_offloaded", "", "the cloud says SHELVED_OFFLOADED"),
        ("held", "Held by ops.", "Held by ops"),
        ("worker_ready", "", "its worker is ready"),
        ("something_new", "why_so", "something new: why so"),
    ],
)
def test_events_in_words(what: str, sentence: str, words: str) -> None:
    assert said(what, sentence) == words

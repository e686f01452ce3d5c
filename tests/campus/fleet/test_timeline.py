"""A node's ledger as a picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.fleet.timeline import WIDTH, bars, duration, span_of
from orchestrator.ledger import Stretch
from orchestrator.states import Cause

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_a_waking_as_bars() -> None:
    ledger = [
        Stretch(Cause.JOB, ago(300), ago(60)),
        Stretch(Cause.BOOT, ago(600), ago(300)),
        Stretch(Cause.IDLE, ago(60), None),
    ]
    drawn = bars(ledger, ago(600), NOW)
    assert [(bar.cause, bar.x, bar.width) for bar in drawn] == [
        (Cause.BOOT, 0, 500),
        (Cause.JOB, 500, 400),
        (Cause.IDLE, 900, 100),
    ]
    assert drawn[1].title == "working, 4 min 0 s, from 11:55:00 UTC"


def test_what_began_before_is_cut_off() -> None:
    [bar] = bars([Stretch(Cause.HOLD, ago(9000), None)], ago(600), NOW)
    assert (bar.x, bar.width) == (0, WIDTH)


def test_what_is_too_short_can_be_seen() -> None:
    [bar] = bars([Stretch(Cause.DRAIN, ago(1.2), ago(1.1))], ago(86400), NOW)
    assert bar.width == 1


@pytest.mark.parametrize(
    ("oldest", "span"), [(None, 600), (599, 600), (601, 3600), (3601, 21600), (80000, 86400)]
)
def test_the_span_holds_what_there_is(oldest: float | None, span: int) -> None:
    ledger = [] if oldest is None else [Stretch(Cause.JOB, ago(oldest), None)]
    assert span_of(ledger, NOW) == timedelta(seconds=span)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=20))
def test_bars_lie_in_the_picture(pairs: list[tuple[float, float]]) -> None:
    ledger = [Stretch(Cause.JOB, ago(max(pair)), ago(min(pair))) for pair in pairs]
    for bar in bars(ledger, ago(3600), NOW):
        assert 0 <= bar.x <= WIDTH
        assert 0 < bar.width <= WIDTH


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (7500, "2 h 5 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words

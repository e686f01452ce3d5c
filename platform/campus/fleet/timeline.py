"""A node's ledger as a picture: one bar, a colour for each cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.ledger import Stretch
from orchestrator.states import Cause

WIDTH = 1000
"""The picture's own unit: it is stretched to the page's width."""

_LEAST = 1.0
"""What is too short to be seen is drawn this wide."""

SPANS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))

WORDS = {
    Cause.JOB: "working",
    Cause.BOOT: "starting",
    Cause.IDLE: "idle",
    Cause.DRAIN: "draining",
    Cause.SHELVING: "going to sleep",
    Cause.HOLD: "held by an operator",
    Cause.FAILURE: "failure",
    Cause.EXTERNAL: "woken by somebody else",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time on the picture."""

    x: float
    width: float
    cause: Cause
    title: str


def span_of(stretches: Iterable[Stretch], now: datetime) -> timedelta:
    """The shortest of the usual spans that holds all there is of the last day."""
    oldest = min((stretch.start for stretch in stretches), default=now)
    return next((span for span in SPANS if now - oldest <= span), SPANS[-1])


def bars(stretches: Iterable[Stretch], start: datetime, end: datetime) -> tuple[Bar, ...]:
    """The stretches between two moments, in order."""
    whole = (end - start).total_seconds()
    found = []
    for stretch in sorted(stretches, key=lambda s: s.start):
        begins, ends = max(stretch.start, start), min(stretch.end or end, end)
        seconds = (ends - begins).total_seconds()
        if seconds < 0 or begins > end or whole <= 0:
            continue
        x = WIDTH * (begins - start).total_seconds() / whole
        width = max(WIDTH * seconds / whole, _LEAST)
        title = f"{WORDS[stretch.cause]}, {duration(seconds)}, from {begins:%H:%M:%S} UTC"
        found.append(Bar(round(x, 2), round(width, 2), stretch.cause, title))
    return tuple(found)


def duration(seconds: float) -> str:
    """Such as "45 s", "3 min 20 s" or "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

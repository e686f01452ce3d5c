"""A node's past as a picture and as a table, from its ledger and its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from campus.fleet.event_words import said
from orchestrator.states import Cause

WIDTH = 1000
"""The picture's own unit: it is stretched to the page's width."""

LEAST = 2.0
"""What is narrower is drawn so wide, several such neighbours together: they can all be seen, and a
picture has no more than a thousand bars."""

_AT_ONCE = timedelta(seconds=3)
"""An event this near to where a state begins is why it does."""

TICKS = 6


class Span(StrEnum):
    """How far back is looked."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]


_LENGTHS = {
    Span.HOUR: timedelta(hours=1),
    Span.DAY: timedelta(days=1),
    Span.WEEK: timedelta(days=7),
}

WORDS = {
    Cause.JOB: "working",
    Cause.BOOT: "starting",
    Cause.IDLE: "idle",
    Cause.DRAIN: "draining",
    Cause.SHELVING: "going to sleep",
    Cause.HOLD: "held by an operator",
    Cause.FAILURE: "failure",
    Cause.EXTERNAL: "woken by somebody else",
    None: "asleep",
}

_CAUSED_BY = {
    Cause.BOOT: ("wake",),
    Cause.DRAIN: ("gate_draining", "drained"),
    Cause.HOLD: ("held",),
}
"""Which events say why a state began; any may for a failure."""


_MOST_MARKS = 100
_NOTABLE = frozenset(
    {
        "wake_failed",
        "shelve_failed",
        "quarantined",
        "worker_restarted",
        "worker_broken",
        "cloud_error",
        "cloud_deleted",
        "cloud_shutoff",
        "held",
        "drained",
        "released",
        "retried",
    }
)

TOLD = _NOTABLE | {what for causes in _CAUSED_BY.values() for what in causes}
"""The events that the picture makes use of."""


@dataclass(frozen=True, slots=True)
class Billed:
    """A stretch of the ledger. `end` is None while it lasts; `label`: of its job."""

    cause: Cause
    start: datetime
    end: datetime | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the node."""

    at: datetime
    what: str
    sentence: str


@dataclass(frozen=True, slots=True)
class State:
    """What the node did for a while; no cause: it was asleep, and cost nothing."""

    cause: Cause | None
    start: datetime
    end: datetime
    why: str = ""

    @property
    def key(self) -> str:
        return self.cause.value if self.cause is not None else "asleep"

    @property
    def words(self) -> str:
        return WORDS[self.cause]

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time on the picture."""

    x: float
    width: float
    key: str
    start: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the picture at which something went wrong, or an operator stepped in."""

    x: float
    start: datetime
    title: str


def states(
    ledger: Iterable[Billed], events: Sequence[Event], start: datetime, end: datetime
) -> tuple[State, ...]:
    """Everything between two moments, without a gap; nothing before it was known (`start`)."""
    found: list[State] = []
    at = start
    for one in sorted(ledger, key=lambda one: one.start):
        begins, ends = max(one.start, at), min(one.end or end, end)
        if ends <= begins:
            continue
        if begins > at:
            found.append(State(None, at, begins))
        found.append(State(one.cause, begins, ends, one.label or _why(one, events)))
        at = ends
    if at < end:
        found.append(State(None, at, end))
    return tuple(found)


def bars(shown: Sequence[State], start: datetime, end: datetime) -> tuple[Bar, ...]:
    """The states as bars; the narrow ones last, so that they are drawn over their neighbours."""
    whole = (end - start).total_seconds()
    if whole <= 0:
        return ()
    drawn = [_bar(group, start, whole) for group in _groups(shown, whole * LEAST / WIDTH)]
    return tuple(sorted(drawn, key=lambda bar: bar.width <= LEAST))


def _bar(group: Sequence[State], start: datetime, whole: float) -> Bar:
    width = max(WIDTH * _seconds(group) / whole, LEAST)
    x = WIDTH * (group[0].start - start).total_seconds() / whole
    return Bar(
        x=round(min(x, WIDTH - width), 2),
        width=round(width, 2),
        key=_main(group).key,
        start=group[0].start,
        title=_title(group),
    )


def marks(events: Iterable[Event], start: datetime, end: datetime) -> tuple[Mark, ...]:
    """The events that stand out."""
    whole = (end - start).total_seconds()
    notable = [one for one in events if one.what in _NOTABLE and start <= one.at <= end]
    return tuple(
        Mark(
            x=round(WIDTH * (one.at - start).total_seconds() / whole, 2),
            start=one.at,
            title=said(one.what, one.sentence),
        )
        for one in notable[:_MOST_MARKS]
        if whole > 0
    )


def ticks(start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Moments at equal distances, both ends included."""
    return tuple(start + (end - start) * number / TICKS for number in range(TICKS + 1))


def _groups(shown: Sequence[State], least: float) -> Iterator[list[State]]:
    """Each state alone, or with its neighbours while they are too short together."""
    group: list[State] = []
    for state in shown:
        alone = state.seconds >= least
        if group and (alone or _seconds(group) >= least):
            yield group
            group = []
        group.append(state)
    if group:
        yield group


def _seconds(group: Sequence[State]) -> float:
    return (group[-1].end - group[0].start).total_seconds()


def _main(group: Sequence[State]) -> State:
    """What a bar of several is drawn as: a failure is never hidden by what is longer."""
    failed = [state for state in group if state.cause is Cause.FAILURE]
    return max(failed or group, key=lambda state: state.seconds)


def _title(group: Sequence[State]) -> str:
    main = _main(group)
    if len(group) > 1:
        return f"{main.words} and {len(group) - 1} more in {duration(_seconds(group))}"
    why = f": {main.why}" if main.why else ""
    return f"{main.words}, {duration(main.seconds)}{why}"


def _why(one: Billed, events: Sequence[Event]) -> str:
    near = [event for event in events if abs(event.at - one.start) <= _AT_ONCE]
    wanted = _CAUSED_BY.get(one.cause)
    if wanted is None and one.cause is not Cause.FAILURE:
        return ""
    telling = [event for event in near if wanted is None or event.what in wanted]
    return said(telling[0].what, telling[0].sentence) if telling else ""


def duration(seconds: float) -> str:
    """Such as "45 s", "3 min 20 s" or "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

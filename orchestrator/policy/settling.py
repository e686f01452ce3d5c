"""The ledger against the cloud's own notes: when each waking really began and ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from orchestrator.providers.port import ActionFacts, ActionFailure, ActionResult
from orchestrator.states import Cause, OperationKind

_EVER = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Closed:
    """Billed time that is over, and which row it stands in; None: in none yet."""

    row: int | None
    cause: Cause
    start: datetime
    end: datetime
    job: UUID | None = None
    price: Decimal | None = None
    """Per hour, at that time; None: that of today."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A time in which the cloud kept a GPU for the server. `start` None: before its notes begin;
    `end` None: it still does."""

    start: datetime | None
    end: datetime | None


def kept(
    actions: Iterable[ActionFacts], settled_until: datetime | None = None, now: datetime = _NEVER
) -> tuple[Kept, ...]:
    """When the cloud kept a GPU, by its notes: from the request to wake the server until the
    shelving was finished, or until a waking that failed was given up.

    A request to wake it after `settled_until` begins anew: until then all is settled, and it slept,
    although the cloud may have let go of it without a note. Nothing has ended later than `now`,
    whatever the cloud's clock says.
    """
    found: list[Kept] = []
    since: datetime | None = None
    awake = False
    for action in sorted(actions, key=lambda one: one.started_at):
        if action.kind is OperationKind.UNSHELVE:
            goes_on = awake and not _lies_between(since, settled_until, action.started_at)
            since, awake = (since if goes_on else action.started_at), True
        if _ends(action) and action.finished_at is not None:
            found.append(Kept(since, min(action.finished_at, now)))
            since, awake = None, False
    return (*found, Kept(since, None)) if awake else tuple(found)


def _lies_between(since: datetime | None, settled_until: datetime | None, until: datetime) -> bool:
    if settled_until is None:
        return False
    return (since is None or since < settled_until) and settled_until <= until


def _ends(action: ActionFacts) -> bool:
    if action.kind is OperationKind.SHELVE:
        return action.result is ActionResult.OK
    # A server whose disk is lost is left in error, and keeps its GPU.
    return action.result is ActionResult.FAILED and action.failure is not ActionFailure.IMAGE


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger says from now on, and rows that it leaves as they are for now."""

    stretches: tuple[Closed, ...]
    left: frozenset[int]


def settle(
    ledger: Sequence[Closed], notes: Sequence[Kept], since: datetime, slack: timedelta
) -> Settled:
    """The ledger, fitted to what the cloud says: it covers that time and no other.

    `ledger` is in order and does not overlap; `since`: before then the notes are not complete, or
    the ledger is settled. A time that the notes do not know goes; one that only they know is
    somebody else's doing. Time that the cloud has not finished writing about is left for later. A
    note that touches no stretch is taken for the nearest within `slack`: clocks differ a little.
    """
    wakings = _touching(ledger)
    owners = {note: _owned(note, wakings, slack) for note in notes}
    left: set[int] = set()
    done: list[Closed] = []
    claimed: set[int] = set()
    for note, mine in owners.items():
        claimed |= set(mine)
        stretches = [stretch for number in mine for stretch in wakings[number]]
        if note.end is None:
            left |= {stretch.row for stretch in stretches if stretch.row is not None}
        elif stretches:
            done += _fit(stretches, note, since)
        elif note.start is not None and note.end > max(note.start, since):
            done.append(Closed(None, Cause.EXTERNAL, max(note.start, since), note.end))
    for number, waking in enumerate(wakings):
        if number not in claimed and waking[0].start < since:
            done += waking
    return Settled(_once(sorted(done, key=lambda one: one.start)), frozenset(left))


def _once(stretches: Iterable[Closed]) -> tuple[Closed, ...]:
    """One that a note has cut in two is a new row from then on."""
    seen: set[int | None] = set()
    found: list[Closed] = []
    for stretch in stretches:
        found.append(replace(stretch, row=None) if stretch.row in seen else stretch)
        seen.add(stretch.row)
    return tuple(found)


def _owned(note: Kept, wakings: Sequence[Sequence[Closed]], slack: timedelta) -> list[int]:
    start, end = note.start or _EVER, note.end or _NEVER
    inside = [
        number
        for number, waking in enumerate(wakings)
        if waking[0].start < end and start < waking[-1].end
    ]
    if note.start is None and inside:
        # Where it began is not known: it is the last of what lies before its end.
        return inside[-1:]
    if inside:
        return inside
    near = {
        number: gap
        for number, waking in enumerate(wakings)
        if (gap := max(waking[0].start - end, start - waking[-1].end)) <= slack
    }
    return [min(near, key=lambda number: near[number])] if near else []


_AT_THE_START = frozenset({Cause.BOOT, Cause.EXTERNAL, Cause.FAILURE, Cause.HOLD})
_AT_THE_END = frozenset({*_AT_THE_START, Cause.DRAIN, Cause.SHELVING})
"""Such a stretch may turn out to have been longer than it looked. One of another cause has edges
that are our own; what the cloud knows beyond them was somebody else's doing."""


def _fit(stretches: Sequence[Closed], note: Kept, since: datetime) -> list[Closed]:
    """The stretches, from the note's start to its end, without a gap."""
    first, final = stretches[0], stretches[-1]
    start = first.start if note.start is None else max(note.start, min(since, first.start))
    end = note.end if note.end is not None else final.end
    fitted: list[Closed] = []
    at = start
    for stretch in stretches:
        mine = replace(stretch, start=max(stretch.start, at), end=min(stretch.end, end))
        if mine.start >= mine.end:
            continue
        if mine.start > at:
            if stretch.cause in _AT_THE_START:
                mine = replace(mine, start=at)
            else:
                between = Closed(None, Cause.EXTERNAL, at, mine.start, price=mine.price)
                fitted.append(between)
        fitted.append(mine)
        at = mine.end
    if at < end:
        if fitted and fitted[-1].cause in _AT_THE_END:
            fitted[-1] = replace(fitted[-1], end=end)
        elif fitted:
            fitted.append(Closed(None, Cause.EXTERNAL, at, end, price=final.price))
        else:
            fitted.append(replace(final, start=at, end=end))
    return fitted


def _touching(closed: Iterable[Closed]) -> list[list[Closed]]:
    groups: list[list[Closed]] = []
    for stretch in closed:
        if groups and groups[-1][-1].end == stretch.start:
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return groups

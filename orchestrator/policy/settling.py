"""The ledger against the cloud's own notes: when a waking really began and ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.providers.port import ActionFacts, ActionResult
from orchestrator.states import Cause, OperationKind


@dataclass(frozen=True, slots=True)
class Closed:
    """Billed time that is over, and which row it stands in."""

    row: int
    cause: Cause
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Edges:
    """When the cloud began and ceased to keep a GPU for the server; None where it does not say."""

    began: datetime | None
    ended: datetime | None


def edges(waking: Sequence[Closed], actions: Iterable[ActionFacts], slack: timedelta) -> Edges:
    """The actions that a waking began and ended with.

    It is billed from the moment the cloud took the request to wake it until the shelving was
    finished, or until a waking that failed was given up. What we saw ourselves lies within `slack`.
    """
    woken = [a.started_at for a in actions if a.kind is OperationKind.UNSHELVE]
    over = [
        action.finished_at
        for action in actions
        if action.finished_at is not None
        and action.result
        is (ActionResult.OK if action.kind is OperationKind.SHELVE else ActionResult.FAILED)
    ]
    return Edges(
        _nearest(woken, waking[0].start, slack),
        _nearest(over, waking[-1].end, slack),
    )


def settle(waking: Sequence[Closed], true: Edges) -> tuple[Closed, ...]:
    """The waking with these edges; its stretches still touch. What lies wholly outside is left out.

    A waking of which nothing remains is empty.
    """
    began = true.began if true.began is not None else waking[0].start
    ended = true.ended if true.ended is not None else waking[-1].end
    first, last = waking[0], waking[-1]
    stretched = [
        replace(
            stretch,
            start=min(stretch.start, began) if stretch is first else stretch.start,
            end=max(stretch.end, ended) if stretch is last else stretch.end,
        )
        for stretch in waking
    ]
    cut = (
        replace(stretch, start=max(stretch.start, began), end=min(stretch.end, ended))
        for stretch in stretched
    )
    return tuple(stretch for stretch in cut if stretch.start < stretch.end)


def _nearest(moments: Iterable[datetime], seen: datetime, slack: timedelta) -> datetime | None:
    near = [moment for moment in moments if abs(moment - seen) <= slack]
    return min(near, key=lambda moment: abs(moment - seen), default=None)

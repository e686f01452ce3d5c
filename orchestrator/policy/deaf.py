"""A worker that says it is ready, and yet takes no work although it is rung.

Its heartbeats come from one process, its work from another, so the first says nothing about the
second: a pool that hangs, or a consumer that lost its broker for good, looks like an idle worker,
and is billed like one. What helps is a restart of its unit; if that does not, the node is given up.

What is remembered of a node is a value. `look` brings it up to date, at each heartbeat and tick;
`rung`, `restarted` and `claimed` note what happened; `decide` says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Patience:
    """When a worker counts as deaf, and how often a restart is tried before the node is given up.

    Without SSH there are no restarts: `restarts` is 0.
    """

    rings: int = 3
    wait: timedelta = timedelta(seconds=60)
    """A doorbell that was lost has expired by then (DOORBELL_SECONDS), and was rung again."""
    restarts: int = 2
    backoff: tuple[timedelta, ...] = (timedelta(minutes=2), timedelta(minutes=5))
    """After each restart so long is waited before the next step: a worker needs time to come up.
    The last one counts for all that follow."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is remembered of a node: rings without an answer, and restarts since its last claim."""

    rung_since: datetime | None = None
    rings: int = 0
    restarts: int = 0
    restarted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ear:
    """What is so now.

    `could_take`: the worker was heard within its time, says READY and not busy, its node is awake,
    its gate open, it is neither parked nor held and has no lease; and the site has been up for one
    lease length, so that silence is the worker's own. `work`: there is a job of its kinds that may
    be claimed now.
    """

    could_take: bool
    work: bool


class Step(StrEnum):
    """What to do about a node."""

    NOTHING = "nothing"
    RESTART = "restart"
    DRAIN = "drain"


def look(hearing: Hearing, ear: Ear) -> Hearing:
    """What is remembered, given what is so now.

    Who could not take anything, or had nothing to take, is not blamed for what was rung before. A
    restart is forgotten by a claim only: a worker that is back but still deaf is not a new one.
    """
    if ear.could_take and ear.work:
        return hearing
    return replace(hearing, rung_since=None, rings=0)


def rung(hearing: Hearing, now: datetime) -> Hearing:
    """The worker was told that there is work: by the doorbell, or in the answer to a heartbeat."""
    return replace(hearing, rung_since=hearing.rung_since or now, rings=hearing.rings + 1)


def restarted(hearing: Hearing, now: datetime) -> Hearing:
    """A restart was tried; one that could not be done counts as well, so that tries are bounded."""
    return Hearing(restarts=hearing.restarts + 1, restarted_at=now)


def claimed() -> Hearing:
    """It has asked for work: it hears. Whether there was any is another matter."""
    return Hearing()


def decide(hearing: Hearing, ear: Ear, patience: Patience, now: datetime) -> Step:
    """What to do about a node now."""
    if not (ear.could_take and ear.work) or not _deaf(hearing, patience, now):
        return Step.NOTHING
    if hearing.restarts >= patience.restarts:
        return Step.DRAIN
    return Step.RESTART


def _deaf(hearing: Hearing, patience: Patience, now: datetime) -> bool:
    if hearing.rung_since is None or hearing.rings < patience.rings:
        return False
    if now - hearing.rung_since < patience.wait:
        return False
    return hearing.restarted_at is None or now - hearing.restarted_at >= _rest(hearing, patience)


def _rest(hearing: Hearing, patience: Patience) -> timedelta:
    """How long after the last restart nothing is done."""
    if not patience.backoff:
        return timedelta()
    return patience.backoff[min(max(hearing.restarts, 1), len(patience.backoff)) - 1]

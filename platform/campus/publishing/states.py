"""The states of a publication, and which may follow which. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class PublicationState(StrEnum):
    WAITING = "waiting"
    """To be uploaded."""
    PROCESSING = "processing"
    """The video host has it and is not done with it yet."""
    DONE = "done"
    FAILED = "failed"
    REMOVING = "removing"
    """To be taken off the video host."""
    REMOVED = "removed"


_S = PublicationState

TRANSITIONS: dict[PublicationState, frozenset[PublicationState]] = {
    _S.WAITING: frozenset({_S.PROCESSING, _S.FAILED, _S.REMOVING}),
    _S.PROCESSING: frozenset({_S.DONE, _S.WAITING, _S.FAILED, _S.REMOVING}),
    _S.DONE: frozenset({_S.REMOVING}),
    _S.FAILED: frozenset({_S.WAITING, _S.REMOVING}),
    _S.REMOVING: frozenset({_S.REMOVED}),
    _S.REMOVED: frozenset({_S.WAITING}),
}

MOST_TRIES = 5
_DELAYS = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600))


def backoff(tries: int) -> timedelta | None:
    """How long to wait after so many tries in vain; None: that was the last."""
    if tries >= MOST_TRIES:
        return None
    return _DELAYS[min(max(tries, 1), len(_DELAYS)) - 1]

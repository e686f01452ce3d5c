"""How long jobs take of a node's time, learned from those that have ended. Pure.

Time is taken to be proportional to the length of the media, by the 75th percentile of what was
seen: a backlog guessed too short keeps people waiting, one guessed too long wakes a node early.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

ENOUGH = 5
"""Fewer jobs than that say less than the prior does."""

_PERCENTILE = 0.75
_LONGEST_SECONDS = 30 * 86_400.0
"""No job, and no backlog of one kind, is taken to last longer, whatever the media says."""
_UNKNOWN_SECONDS = 300.0
"""For a job without a length, of a kind that was never seen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A job that has succeeded: what it took, and the length of its media if it has one."""

    kind: str
    seconds: float
    media_seconds: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """`per_media`: node seconds per second of media; `flat`: of a job without media."""

    per_media: float
    flat: float = _UNKNOWN_SECONDS
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Durations:
    """What jobs are expected to take."""

    prior: Pace
    paces: Mapping[str, Pace] = field(default_factory=dict)

    def pace(self, kind: str) -> Pace:
        return self.paces.get(kind, self.prior)

    def seconds(self, kind: str, media_seconds: float | None) -> float:
        """Of one job."""
        pace = self.pace(kind)
        long = pace.flat if media_seconds is None else media_seconds * pace.per_media
        return min(long, _LONGEST_SECONDS)

    def work(self, kind: str, media_seconds: float, without_media: int) -> timedelta:
        """Of many jobs at once: the media of some, and the number of those that have none."""
        pace = self.pace(kind)
        long = media_seconds * pace.per_media + without_media * pace.flat
        return timedelta(seconds=min(long, _LONGEST_SECONDS))


def learn(samples: Iterable[Sample], prior_per_media: float) -> Durations:
    """Paces of all kinds of which enough was seen; others are taken to be like the prior."""
    prior = Pace(prior_per_media)
    by_kind: dict[str, list[Sample]] = {}
    for sample in samples:
        by_kind.setdefault(sample.kind, []).append(sample)
    return Durations(prior, {kind: _pace(seen, prior) for kind, seen in by_kind.items()})


def _pace(seen: Sequence[Sample], prior: Pace) -> Pace:
    ratios = [s.seconds / s.media_seconds for s in seen if s.media_seconds]
    flats = [s.seconds for s in seen if not s.media_seconds]
    return Pace(
        per_media=_percentile(ratios) if len(ratios) >= ENOUGH else prior.per_media,
        flat=_percentile(flats) if len(flats) >= ENOUGH else prior.flat,
        samples=len(seen),
    )


def _percentile(values: Sequence[float]) -> float:
    """The smallest value that so large a share of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[math.ceil(_PERCENTILE * len(ordered)) - 1]

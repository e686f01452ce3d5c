"""The first timing fit: every line on the source clock, nothing cut, nothing overlapping.

A line may begin up to `max_lateness` after its speaker did, borrow the pause that follows it, and
be sped up to `max_rate`; it is never moved relative to its neighbours, so nothing drifts. Lines for
which even that leaves no room are reported, as few of them as possible.

1. Choose the lines to keep: a forward pass over all lines at full speed, keeping every choice of
   dropped lines that could still turn out best (Pareto: fewer dropped, or free again earlier).
2. Latest starts: a backward pass at full speed gives the latest moment each kept line may begin.
3. Place: each line begins as soon as it may, at natural speed if the next can still begin on time,
   else just fast enough, at most `max_rate`; what is then still missing is lateness of the next,
   which step 2 has bounded.

Linear in the number of lines, apart from the handful of rival choices in step 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and rates. A rate above 1 is faster."""

    max_rate: float = 1.25
    max_lateness: float = 0.9
    """Under the 1.0 s that is promised, by more than a detector's error."""
    min_gap: float = 0.08
    least_stretch: float = 1.02
    """Below this a stretch costs quality and buys nothing that is heard."""


@dataclass(frozen=True, slots=True)
class Line:
    """One spoken line: when its speaker begins and how long it naturally lasts, in seconds."""

    id: str
    onset: float
    duration: float


@dataclass(frozen=True, slots=True)
class Placed:
    id: str
    start: float
    rate: float


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A line without room: it needs `missing` seconds less, or its place more."""

    id: str
    room: float
    missing: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Every line is in exactly one of the two, in the order given."""

    placed: tuple[Placed, ...]
    unplaced: tuple[Unplaced, ...]


DEFAULT_LIMITS = Limits()
_EPSILON = 1e-9


def fit(lines: Sequence[Line], end: float, limits: Limits = DEFAULT_LIMITS) -> Timing:
    """Place `lines`, which are in order of onset, before `end` (seconds on the source clock)."""
    kept = _choose(lines, end, limits)
    placed = _place([lines[i] for i in kept], end, limits)
    chosen = set(kept)
    unplaced = tuple(_describe(lines, i, end, limits) for i in range(len(lines)) if i not in chosen)
    return Timing(placed, unplaced)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A way through the lines so far: what it dropped, and when it is free again."""

    dropped: int
    dropped_seconds: float
    free_at: float
    kept: _Link | None


@dataclass(frozen=True, slots=True)
class _Link:
    """A list that grows at its head, so that rival choices share their past."""

    index: int
    before: _Link | None


def _choose(lines: Sequence[Line], end: float, limits: Limits) -> list[int]:
    choices = [_Choice(0, 0.0, float("-inf"), None)]
    for index, line in enumerate(lines):
        nxt: list[_Choice] = []
        for choice in choices:
            nxt.append(
                _Choice(
                    choice.dropped + 1,
                    choice.dropped_seconds + line.duration,
                    choice.free_at,
                    choice.kept,
                )
            )
            start = max(line.onset, choice.free_at)
            over = start + line.duration / limits.max_rate
            if start <= line.onset + limits.max_lateness + _EPSILON and over <= end + _EPSILON:
                nxt.append(
                    _Choice(
                        choice.dropped,
                        choice.dropped_seconds,
                        over + limits.min_gap,
                        _Link(index, choice.kept),
                    )
                )
        onset = lines[index + 1].onset if index + 1 < len(lines) else float("inf")
        choices = _undominated(nxt, onset)
    link, kept = choices[0].kept, []
    while link is not None:
        kept.append(link.index)
        link = link.before
    return kept[::-1]


def _undominated(choices: list[_Choice], next_onset: float) -> list[_Choice]:
    """Best first; being free before the next line begins is worth nothing."""
    choices.sort(key=lambda c: (c.dropped, c.dropped_seconds, max(c.free_at, next_onset)))
    best: list[_Choice] = []
    for choice in choices:
        if not best or max(choice.free_at, next_onset) < max(best[-1].free_at, next_onset):
            best.append(choice)
    return best


def _place(lines: Sequence[Line], end: float, limits: Limits) -> tuple[Placed, ...]:
    latest = _latest_starts(lines, end, limits)
    placed: list[Placed] = []
    free_at = float("-inf")
    for index, line in enumerate(lines):
        start = max(line.onset, free_at)
        if index + 1 < len(lines):
            wished = lines[index + 1].onset - limits.min_gap
            deadline = latest[index + 1] - limits.min_gap
        else:
            wished = deadline = end
        rate = _rate(line.duration, wished - start, deadline - start, limits)
        placed.append(Placed(line.id, start, rate))
        free_at = start + line.duration / rate + limits.min_gap
    return tuple(placed)


def _latest_starts(lines: Sequence[Line], end: float, limits: Limits) -> list[float]:
    latest = [0.0] * len(lines)
    following = end + limits.min_gap
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        following = min(
            line.onset + limits.max_lateness,
            following - limits.min_gap - line.duration / limits.max_rate,
        )
        latest[index] = following
    return latest


def _rate(duration: float, wished: float, most: float, limits: Limits) -> float:
    """The slowest rate that ends within `wished`, or failing that within `most` (seconds)."""
    if duration <= wished:
        return 1.0
    if duration / limits.least_stretch <= wished and duration <= most:
        return 1.0
    if wished <= 0 or duration / limits.max_rate > wished:
        return limits.max_rate
    return max(1.0, duration / wished)


def _describe(lines: Sequence[Line], index: int, end: float, limits: Limits) -> Unplaced:
    line = lines[index]
    until = lines[index + 1].onset - limits.min_gap if index + 1 < len(lines) else end
    room = max(0.0, until - line.onset)
    return Unplaced(line.id, room, max(0.0, line.duration / limits.max_rate - room))

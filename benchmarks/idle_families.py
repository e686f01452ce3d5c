"""Families of idle gaps, in minutes, from fixed seeds: what `benchmarks.idle` measures with.

A gap is the time from a node's becoming idle to its next work. One seed is six weeks; nobody's real
gaps were known when this was written (docs/benchmarks.md says where the figures come from).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

DAYS = 42
GAPS = 300
"""In six weeks, seven or so a day. Bursts make their own number."""

_MINUTES_PER_DAY = 24 * 60
Draw = Callable[[random.Random], float]
"""Minutes."""


class Family(StrEnum):
    """What kind of gaps. The first four are asked for; the last is ours."""

    MEMORYLESS = "memoryless"
    LOGNORMAL = "lognormal"
    BURSTS = "bursts"
    BIMODAL = "bimodal"
    CHANGING = "changing"


@dataclass(frozen=True, slots=True)
class Profile:
    """One member of a family: gaps in minutes, oldest first."""

    family: Family
    name: str
    make: Callable[[random.Random], Sequence[float]]

    def gaps(self, seed: int) -> Sequence[float]:
        """The same for the same seed, on every machine."""
        return self.make(random.Random(f"{self.family}/{self.name}/{seed}"))  # noqa: S311  # dice


def exponential(mean: float) -> Draw:
    """What comes next does not depend on how long it has not come."""
    return lambda dice: dice.expovariate(1 / mean)


def lognormal(median: float, sigma: float) -> Draw:
    """Many are short, some very long."""
    return lambda dice: dice.lognormvariate(log(median), sigma)


def two_ways(short: Draw, share: float, long: Draw) -> Draw:
    """Now the one, now the other; `share` of them short."""
    return lambda dice: short(dice) if dice.random() < share else long(dice)


def around(mean: float, deviation: float) -> Draw:
    """Normal, never below zero."""
    return lambda dice: max(0.0, dice.gauss(mean, deviation))


def independent(draw: Draw) -> Callable[[random.Random], Sequence[float]]:
    return lambda dice: [draw(dice) for _ in range(GAPS)]


def in_turn(first: Draw, second: Draw) -> Callable[[random.Random], Sequence[float]]:
    """Two weeks of one kind of work, two of another, and two of the first again."""
    turns = (first, second, first)
    return lambda dice: [draw(dice) for draw in turns for _ in range(GAPS // len(turns))]


def bursts(within: Draw) -> Callable[[random.Random], Sequence[float]]:
    """One to five times a day, at weekends seldom, somebody sends lessons one after the other.

    A burst begins between 9 and 20 h and has 1 + exponential(mean 6) lessons, each of which keeps
    the node busy for 4 minutes.
    """

    def make(dice: random.Random) -> Sequence[float]:
        gaps: list[float] = []
        free_at = 0.0
        for day in range(DAYS):
            if day % 7 >= 5 and dice.random() < 0.7:
                continue
            starts = sorted(dice.uniform(9 * 60, 20 * 60) for _ in range(dice.randint(1, 5)))
            for start in starts:
                begin = day * _MINUTES_PER_DAY + start
                # A burst that begins during another joins it.
                gaps.append(begin - free_at if begin > free_at else within(dice))
                lessons = 1 + int(dice.expovariate(1 / 6))
                inner = [within(dice) for _ in range(lessons - 1)]
                gaps.extend(inner)
                free_at = max(begin, free_at) + sum(inner) + 4.0 * lessons
        return gaps

    return make


def _profile(family: Family, name: str, draw: Draw) -> Profile:
    return Profile(family, name, independent(draw))


def _burst(name: str, within: Draw) -> Profile:
    return Profile(Family.BURSTS, name, bursts(within))


def _turns(name: str, first: Draw, second: Draw) -> Profile:
    return Profile(Family.CHANGING, name, in_turn(first, second))


LONG = lognormal(90, 0.6)
"""Until somebody comes back to it: mostly between half an hour and five hours."""

PROFILES = (
    _profile(Family.MEMORYLESS, "mean 3", exponential(3)),
    _profile(Family.MEMORYLESS, "mean 5", exponential(5)),
    _profile(Family.MEMORYLESS, "mean 12", exponential(12)),
    _profile(Family.MEMORYLESS, "mean 60", exponential(60)),
    _profile(Family.LOGNORMAL, "median 3.3, sigma 1.1", lognormal(3.3, 1.1)),
    _profile(Family.LOGNORMAL, "median 5, sigma 0.5", lognormal(5, 0.5)),
    _profile(Family.LOGNORMAL, "median 8, sigma 1.5", lognormal(8, 1.5)),
    _profile(Family.LOGNORMAL, "median 25, sigma 1.2", lognormal(25, 1.2)),
    _burst("one after another, mean 1.5", exponential(1.5)),
    _burst("lognormal, median 3.3, sigma 1.1", lognormal(3.3, 1.1)),
    _burst("looked at first, 4 +- 1", around(4, 1)),
    _profile(Family.BIMODAL, "70 % 4 +- 1, or 90", two_ways(around(4, 1), 0.7, LONG)),
    _profile(Family.BIMODAL, "80 % 8 +- 1, or 90", two_ways(around(8, 1), 0.8, LONG)),
    _profile(
        Family.BIMODAL, "60 % 1 +- 0.5, or 25", two_ways(around(1, 0.5), 0.6, lognormal(25, 0.6))
    ),
    _turns("memoryless 3, 30, 3", exponential(3), exponential(30)),
    _turns("bimodal 4, 8, 4", two_ways(around(4, 1), 0.7, LONG), two_ways(around(8, 1), 0.7, LONG)),
)

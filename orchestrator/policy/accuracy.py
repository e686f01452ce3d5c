"""How far what was said before the button is from what it took. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Told:
    """A finished job: node seconds as expected when it was submitted, and as it took."""

    predicted: float
    took: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """`error`: the median of |predicted - took| / took, 0.2 for 20 percent; of so many jobs."""

    error: float
    jobs: int

    @property
    def percent(self) -> int:
        return round(self.error * 100)


def accuracy(told: Sequence[Told]) -> Accuracy | None:
    """None before any job has ended. One that took no time says nothing."""
    errors = [abs(one.predicted - one.took) / one.took for one in told if one.took > 0]
    return Accuracy(median(errors), len(errors)) if errors else None

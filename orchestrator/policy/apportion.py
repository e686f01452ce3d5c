"""What was paid, divided among jobs and causes in whole cents that add up to the whole. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import TypeVar
from uuid import UUID

from orchestrator.states import Cause

_CENT = Decimal("0.01")

Key = TypeVar("Key", bound=Hashable)
Job = UUID | None
"""None: of no job, or of one that was deleted since."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Billed time with one cause. `waking`: the same number for all that touches on one node."""

    waking: int
    cause: Cause
    job: Job
    seconds: Fraction
    price_per_hour: Decimal

    @property
    def cost(self) -> Fraction:
        return self.seconds * Fraction(self.price_per_hour) / 3600


@dataclass(frozen=True, slots=True)
class Shares:
    """Whole cents. Those of `causes` add up to `whole`, and so do those of `own` and `overhead`.

    `own`: what a job's own time cost. `overhead`: its part in what its wakings cost besides, in
    proportion to job time; under None what no job can be charged with.
    """

    whole: Decimal
    causes: Mapping[Cause, Decimal]
    own: Mapping[Job, Decimal]
    overhead: Mapping[Job, Decimal]


def apportion(pieces: Iterable[Piece]) -> Shares:
    """Divide what was paid."""
    pieces = list(pieces)
    causes: dict[Cause, Fraction] = {}
    own: dict[Job, Fraction] = {}
    wakings: dict[int, list[Piece]] = {}
    for piece in pieces:
        _add(causes, piece.cause, piece.cost)
        wakings.setdefault(piece.waking, []).append(piece)
        if piece.cause is Cause.JOB:
            _add(own, piece.job, piece.cost)
    overhead: dict[Job, Fraction] = {}
    for waking in wakings.values():
        for job, part in _overhead(waking).items():
            _add(overhead, job, part)
    whole = cents(sum(causes.values(), Fraction(0)))
    by_cause = in_cents(causes, whole)
    of_jobs = by_cause.get(Cause.JOB, Decimal("0.00"))
    return Shares(whole, by_cause, in_cents(own, of_jobs), in_cents(overhead, whole - of_jobs))


def in_cents(parts: Mapping[Key, Fraction], whole: Decimal) -> dict[Key, Decimal]:
    """`whole`, which is in whole cents, in proportion to the parts, by the largest remainder.

    Each gets its quota rounded down; the cents left over go to those that lost most, the first of
    equals first. Nobody is further than a cent from the quota.
    """
    total = sum(parts.values(), Fraction(0))
    if not total:
        return dict.fromkeys(parts, Decimal("0.00"))
    quotas = {key: Fraction(whole) * 100 * part / total for key, part in parts.items()}
    found = {key: int(quota) for key, quota in quotas.items()}
    left = int(whole / _CENT) - sum(found.values())
    for key in sorted(quotas, key=lambda key: found[key] - quotas[key])[:left]:
        found[key] += 1
    return {key: count * _CENT for key, count in found.items()}


def cents(exact: Fraction) -> Decimal:
    """Rounded to the cent, half to even."""
    money = Decimal(exact.numerator) / Decimal(exact.denominator)
    return money.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def _overhead(waking: list[Piece]) -> dict[Job, Fraction]:
    """What a waking cost besides its jobs' time, by the time of each; None's when it had no job."""
    besides = sum((piece.cost for piece in waking if piece.cause is not Cause.JOB), Fraction(0))
    times: dict[Job, Fraction] = {}
    for piece in waking:
        if piece.cause is Cause.JOB:
            _add(times, piece.job, piece.seconds)
    all_jobs = sum(times.values(), Fraction(0))
    if not all_jobs:
        return {None: besides}
    return {job: besides * seconds / all_jobs for job, seconds in times.items()}


def _add(sums: dict[Key, Fraction], key: Key, part: Fraction) -> None:
    sums[key] = sums.get(key, Fraction(0)) + part

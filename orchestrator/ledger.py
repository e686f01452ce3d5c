"""The ledger: every billed second of a node, and its cause.

Entries of one waking touch each other, because a change closes one and opens the next with the
same moment. Whoever writes here has updated the node's row in the same transaction before: that
is what keeps two writers apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

from django.db.models import Q

from orchestrator.models import LedgerEntry
from orchestrator.states import Cause

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Billed time with one cause. `end` is None while it lasts."""

    cause: Cause
    start: datetime
    end: datetime | None
    job: UUID | None = None


_MAY_OVERRUN = frozenset({Cause.BOOT, Cause.IDLE})


def enter(
    node_id: UUID,
    cause: Cause | None,
    now: datetime,
    job_id: UUID | None = None,
    *,
    overrun_at: datetime | None = None,
) -> None:
    """From `now` on, the node's time has this cause; None: it is no longer billed.

    `overrun_at`: when a boot or an idle time had lasted for as long as it may; a failure that
    follows it begins then, however late that is noticed.
    """
    current = LedgerEntry.objects.filter(node_id=node_id, ended_at__isnull=True).first()
    if current is not None:
        if current.cause == cause and current.job_id == job_id:
            return
        if overrun_at is not None and current.cause in _MAY_OVERRUN and cause is Cause.FAILURE:
            now = overrun_at
        # Two database servers' clocks may differ a little; a stretch never ends before it began.
        now = max(now, current.started_at)
        LedgerEntry.objects.filter(pk=current.pk).update(ended_at=now)
    if cause is not None:
        LedgerEntry.objects.create(node_id=node_id, cause=cause, job_id=job_id, started_at=now)


def begin(node_id: UUID, since: datetime) -> None:
    """The node has been billed since then: what is not accounted for yet was its boot."""
    rows = LedgerEntry.objects.filter(node_id=node_id)
    if (
        rows.filter(started_at__lte=since)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
        .exists()
    ):
        return
    first = rows.filter(started_at__gt=since).order_by("started_at", "pk").first()
    if first is None:
        enter(node_id, Cause.BOOT, since)
    elif first.cause == Cause.BOOT:
        LedgerEntry.objects.filter(pk=first.pk).update(started_at=since)
    else:
        LedgerEntry.objects.create(
            node_id=node_id, cause=Cause.BOOT, started_at=since, ended_at=first.started_at
        )


def stretches(entries: Iterable[LedgerEntry]) -> tuple[Stretch, ...]:
    """The entries as values."""
    return tuple(Stretch(Cause(e.cause), e.started_at, e.ended_at, e.job_id) for e in entries)


def seconds_by_cause(
    ledger: Iterable[Stretch], start: datetime, end: datetime
) -> Mapping[Cause, float]:
    """Billed seconds between two moments, by cause; causes without any are left out."""
    totals: dict[Cause, float] = {}
    for stretch in ledger:
        inside = (min(stretch.end or end, end) - max(stretch.start, start)).total_seconds()
        if inside > 0:
            totals[stretch.cause] = totals.get(stretch.cause, 0.0) + inside
    return totals


def wakings(ledger: Iterable[Stretch]) -> tuple[tuple[Stretch, ...], ...]:
    """The ledger divided where it does not touch: one group for each time the node was awake."""
    groups: list[list[Stretch]] = []
    for stretch in sorted(ledger, key=lambda s: (s.start, s.end is None, s.end or s.start)):
        if groups and groups[-1][-1].end == stretch.start:
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return tuple(tuple(group) for group in groups)


def cost(seconds: float, price_per_hour: Decimal) -> Decimal:
    """What so many seconds cost, rounded to the cent (to even) only here, at the end."""
    exact = price_per_hour * Decimal(str(seconds)) / 3600
    return exact.quantize(_CENT, rounding=ROUND_HALF_EVEN)

"""What the fleet has cost, by lesson, course, cause and month, from the ledger and jobs' labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from django.db.models import Q

from gpu_node.contracts.base import Contract
from orchestrator import ledger
from orchestrator.models import LedgerEntry, Node
from orchestrator.months import Month
from orchestrator.policy import apportion
from orchestrator.policy.apportion import Piece, Shares
from orchestrator.retired import retired_at
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause

MONTHS = 12
"""So many are compared with each other."""

NO_JOB = "(no job)"

_NOTHING = Decimal("0.00")


class By(StrEnum):
    """What costs are added up by."""

    LESSON = "lesson"
    COURSE = "course"
    CAUSE = "cause"
    MONTH = "month"


_COLUMNS = {
    By.LESSON: ("course", "lesson"),
    By.COURSE: ("course",),
    By.CAUSE: ("cause",),
    By.MONTH: ("month",),
}


class CostRow(Contract):
    """`names` are of the report's columns; `own`: the time of its jobs; `overhead`: its part of the
    rest (boot, idle, drain, shelving, hold, failure) of the same wakings."""

    names: tuple[str, ...]
    tenant: str = ""
    jobs: int = 0
    seconds: float = 0.0
    own: Decimal = _NOTHING
    overhead: Decimal = _NOTHING
    total: Decimal = _NOTHING


class CostReport(Contract):
    """Rows add up to `total` in every column of money, exactly. `seconds` are billed ones."""

    by: By
    month: str
    currency: str
    columns: tuple[str, ...]
    rows: tuple[CostRow, ...]
    seconds: float
    own: Decimal
    overhead: Decimal
    total: Decimal


def cost_report(by: By, month: Month, now: datetime) -> CostReport:
    """What was paid in a month until now; by month: in the twelve that end with this one."""
    if by is By.MONTH:
        return _by_month(month, now)
    found = _read(month.start, min(month.end, now))
    shares = apportion.apportion(found.pieces)
    if by is By.CAUSE:
        rows = _by_cause(shares, found)
    else:
        rows = _by_label(by, shares, found)
    return _report(by, month, rows, found.whole)


def as_csv(report: CostReport) -> str:
    """For a spreadsheet; text that one would take for a formula is marked as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*report.columns, "jobs", "seconds", "own", "overhead", "total", "currency"])
    for row in report.rows:
        numbers = [row.jobs, f"{row.seconds:.0f}", row.own, row.overhead, row.total]
        writer.writerow([*(_plain(name) for name in row.names), *numbers, report.currency])
    return out.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


@dataclass(frozen=True, slots=True)
class _Label:
    """What a job says of itself. Two tenants' courses of one title are two courses."""

    tenant: str
    course: str
    lesson: str

    def names(self, by: By) -> tuple[str, ...]:
        return (self.course, self.lesson) if by is By.LESSON else (self.course,)


_NOBODY = _Label("", NO_JOB, "")


@dataclass(slots=True)
class _Found:
    """A month's ledger, cut to it, and the labels of its jobs."""

    pieces: list[Piece] = field(default_factory=list)
    labels: dict[UUID | None, _Label] = field(default_factory=dict)

    @property
    def whole(self) -> float:
        return sum(float(piece.seconds) for piece in self.pieces)

    def of_jobs(self) -> dict[UUID | None, float]:
        """Seconds of each job."""
        sums: dict[UUID | None, float] = {}
        for piece in self.pieces:
            if piece.cause is Cause.JOB:
                sums[piece.job] = sums.get(piece.job, 0.0) + float(piece.seconds)
        return sums

    def of_causes(self) -> dict[Cause, float]:
        """Seconds of each cause."""
        sums: dict[Cause, float] = {}
        for piece in self.pieces:
            sums[piece.cause] = sums.get(piece.cause, 0.0) + float(piece.seconds)
        return sums


_COLUMNS_READ = (
    "node_id",
    "started_at",
    "ended_at",
    "cause",
    "price_per_hour",
    "job_id",
    "job__kind",
    "job__tenant",
    "job__labels",
)


def _read(start: datetime, end: datetime) -> _Found:
    """In one statement, however long the month's ledger is."""
    rows = LedgerEntry.objects.filter(started_at__lt=end).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=start)
    )
    found = _Found()
    waking, last_node, touches = 0, None, None
    for row in rows.order_by("node_id", "started_at", "pk").values_list(*_COLUMNS_READ):
        node, began, ended, cause, price, job, *label = row
        if node != last_node or began != touches:
            waking += 1
        last_node, touches = node, ended
        inside = min(ended or end, end) - max(began, start)
        if inside <= timedelta():
            continue
        seconds = Fraction(inside // timedelta(microseconds=1), 1_000_000)
        found.pieces.append(Piece(waking, Cause(cause), job, seconds, price))
        found.labels[job] = _label(*label) if job is not None else _NOBODY
    return found


def _label(kind: str, tenant: str, labels: Mapping[str, object]) -> _Label:
    course, lesson = labels.get("course") or kind, labels.get("lesson") or ""
    return _Label(tenant, str(course), str(lesson))


def _by_label(by: By, shares: Shares, found: _Found) -> list[CostRow]:
    seconds = found.of_jobs()
    groups: dict[tuple[str, ...], list[UUID | None]] = {}
    for job in dict.fromkeys([*shares.own, *shares.overhead]):
        label = found.labels.get(job, _NOBODY)
        groups.setdefault((label.tenant, *label.names(by)), []).append(job)
    rows = []
    for (tenant, *names), jobs in groups.items():
        own = sum((shares.own.get(job, _NOTHING) for job in jobs), _NOTHING)
        overhead = sum((shares.overhead.get(job, _NOTHING) for job in jobs), _NOTHING)
        rows.append(
            CostRow(
                names=tuple(names),
                tenant=tenant,
                jobs=sum(job is not None for job in jobs),
                seconds=sum(seconds.get(job, 0.0) for job in jobs),
                own=own,
                overhead=overhead,
                total=own + overhead,
            )
        )
    return sorted(rows, key=lambda row: (-row.total, row.names, row.tenant))


def _by_cause(shares: Shares, found: _Found) -> list[CostRow]:
    seconds = found.of_causes()
    jobs = len([job for job in shares.own if job is not None])
    return [
        CostRow(
            names=(cause,),
            jobs=jobs if cause is Cause.JOB else 0,
            seconds=seconds[cause],
            own=money if cause is Cause.JOB else _NOTHING,
            overhead=_NOTHING if cause is Cause.JOB else money,
            total=money,
        )
        for cause, money in sorted(shares.causes.items(), key=lambda item: -seconds[item[0]])
    ]


def _by_month(last: Month, now: datetime) -> CostReport:
    rows, seconds, month = [], 0.0, last
    for _ in range(MONTHS):
        found = _read(month.start, min(month.end, now))
        if found.pieces:
            rows.append(_month_row(month, found))
            seconds += found.whole
        month = month.before
    return _report(By.MONTH, last, rows, seconds)


def _month_row(month: Month, found: _Found) -> CostRow:
    shares = apportion.apportion(found.pieces)
    own = shares.causes.get(Cause.JOB, _NOTHING)
    return CostRow(
        names=(month.name,),
        jobs=len([job for job in shares.own if job is not None]),
        seconds=sum(found.of_jobs().values()),
        own=own,
        overhead=shares.whole - own,
        total=shares.whole,
    )


def _report(by: By, month: Month, rows: list[CostRow], seconds: float) -> CostReport:
    return CostReport(
        by=by,
        month=month.name,
        currency=fleet_settings().fleet_currency,
        columns=_COLUMNS[by],
        rows=tuple(rows),
        seconds=round(seconds, 3),
        own=sum((row.own for row in rows), _NOTHING),
        overhead=sum((row.overhead for row in rows), _NOTHING),
        total=sum((row.total for row in rows), _NOTHING),
    )


@dataclass(frozen=True, slots=True)
class Savings:
    """`always_on`: what the same servers would have cost had they never slept."""

    saved: Decimal
    always_on: Decimal

    @property
    def percent(self) -> int:
        return int(self.saved * 100 / self.always_on) if self.always_on else 0


def savings(
    nodes: Sequence[Node], billed: Iterable[ledger.Billed], month: Month, now: datetime
) -> Savings:
    """What sleeping has saved in a month until now. `billed`: what was, in the same time.

    A node counts from its enrolment on, until it was retired. The time that it was awake costs the
    same either way, at the price of its day; the time that it slept is taken at today's price.
    """
    price = fleet_settings().fleet_price_per_hour
    paid, awake = Decimal(0), dict.fromkeys((node.pk for node in nodes), 0.0)
    for one in billed:
        paid += one.cost
        awake[one.node] = awake.get(one.node, 0.0) + one.seconds
    asleep = 0.0
    for node in nodes:
        until = min(now, month.end, retired_at(node) or now)
        known = (until - max(node.created_at, month.start)).total_seconds()
        asleep += max(0.0, known - awake[node.pk])
    saved = ledger.cost(asleep, price)
    return Savings(saved, saved + ledger.to_the_cent(paid))

"""The ledger: every billed second of a node, and its cause.

Entries of one waking touch each other, because a change closes one and opens the next with the
same moment. Whoever writes here has updated the node's row in the same transaction before: that
is what keeps two writers apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum

from orchestrator.models import LedgerEntry, Node
from orchestrator.policy import settling
from orchestrator.policy.settling import Closed
from orchestrator.providers.port import ActionFacts
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Billed:
    """Time of one node with one cause and at one price, added up."""

    node: UUID
    cause: Cause
    price_per_hour: Decimal
    seconds: float

    @property
    def cost(self) -> Decimal:
        """Not rounded: that is done once, when all is added up."""
        return _exact(self.seconds, self.price_per_hour)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Billed time with one cause. `end` is None while it lasts."""

    cause: Cause
    start: datetime
    end: datetime | None
    job: UUID | None = None
    price_per_hour: Decimal = Decimal(0)

    def seconds(self, start: datetime, end: datetime) -> float:
        """How much of it lies between two moments; what still lasts lasts until the second."""
        inside = min(self.end or end, end) - max(self.start, start)
        return max(0.0, inside.total_seconds())


_MAY_OVERRUN = frozenset({Cause.BOOT, Cause.IDLE})


def enter(
    node_id: UUID,
    cause: Cause | None,
    now: datetime,
    job_id: UUID | None = None,
    *,
    limit: datetime | None = None,
) -> None:
    """From `now` on, the node's time has this cause; None: it is no longer billed.

    A new price cuts what goes on in two: what was before keeps the price of its time.

    `limit`: until when its boot or idle time was within the rules. What it took beyond that is a
    failure, whatever comes next, and however late that is noticed.
    """
    current = LedgerEntry.objects.filter(node_id=node_id, ended_at__isnull=True).first()
    if current is not None:
        same_price = current.price_per_hour == fleet_settings().fleet_price_per_hour
        if current.cause == cause and current.job_id == job_id and same_price:
            return
        # Two database servers' clocks may differ a little; a stretch never ends before it began.
        now = max(now, current.started_at)
        overran = limit is not None and current.cause in _MAY_OVERRUN and limit < now
        ends = max(limit, current.started_at) if overran and limit is not None else now
        if ends > current.started_at:
            LedgerEntry.objects.filter(pk=current.pk).update(ended_at=ends)
        else:
            # It lasted no time at all.
            LedgerEntry.objects.filter(pk=current.pk).delete()
        if overran and cause is Cause.FAILURE:
            now = ends
        elif overran:
            _open(node_id, Cause.FAILURE, ends, None, ended_at=now)
    if cause is not None:
        _open(node_id, cause, now, job_id)


def _open(
    node_id: UUID,
    cause: Cause,
    since: datetime,
    job_id: UUID | None,
    ended_at: datetime | None = None,
) -> None:
    LedgerEntry.objects.create(
        node_id=node_id,
        server_id=Node.objects.get(pk=node_id).server_id,
        cause=cause,
        job_id=job_id,
        started_at=since,
        ended_at=ended_at,
        price_per_hour=fleet_settings().fleet_price_per_hour,
    )


def begin(node_id: UUID, since: datetime, limit: datetime) -> None:
    """The node has been billed since then: what is not accounted for yet was its boot.

    `limit`: until when that was within the rules; beyond it, it was a failure.
    """
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
        ends = min(first.started_at, max(limit, since))
        _before(first, Cause.BOOT, since, ends)
        if ends < first.started_at:
            _before(first, Cause.FAILURE, ends, first.started_at)


def _before(first: LedgerEntry, cause: Cause, start: datetime, end: datetime) -> None:
    """A stretch of the same waking that became known after its end; none if it has no length."""
    if start < end:
        LedgerEntry.objects.create(
            node_id=first.node_id,
            server_id=first.server_id,
            cause=cause,
            started_at=start,
            ended_at=end,
            price_per_hour=first.price_per_hour,
        )


def settle(
    node: Node,
    actions: Sequence[ActionFacts],
    complete_since: datetime | None,
    slack: timedelta,
    now: datetime,
) -> None:
    """Have what is over agree with the cloud's own notes; the node's row is locked.

    Until then it comes from our looks at the cloud, each at most one look late. `complete_since`:
    the notes leave nothing out from then on; None: from the beginning. Of a server that the node
    had before nobody can say more than what was seen.
    """
    over = _unsettled(node)
    over.exclude(server_id=node.server_id).update(settled=True)
    rows = over.filter(server_id=node.server_id)
    entries = {row.pk: row for row in rows.order_by("started_at", "pk")}
    closed = [
        Closed(
            row.pk, Cause(row.cause), row.started_at, row.ended_at, row.job_id, row.price_per_hour
        )
        for row in entries.values()
        if row.ended_at is not None
    ]
    last = LedgerEntry.objects.filter(node=node, settled=True).order_by("-ended_at").first()
    since = max(
        moment
        for moment in (
            node.server_since or node.created_at,
            complete_since,
            last.ended_at if last else None,
        )
        if moment is not None
    )
    noted = settling.kept(actions, last.ended_at if last else None, now)
    notes = [note for note in noted if note.end is None or note.end > since]
    found = settling.settle(closed, notes, since, slack)
    for stretch in found.stretches:
        edges = {"started_at": stretch.start, "ended_at": stretch.end, "settled": True}
        if stretch.row is not None:
            LedgerEntry.objects.filter(pk=stretch.row).update(**edges)
        else:
            price = stretch.price
            LedgerEntry.objects.create(
                node=node,
                server_id=node.server_id,
                cause=stretch.cause,
                job_id=stretch.job,
                price_per_hour=fleet_settings().fleet_price_per_hour if price is None else price,
                **edges,
            )
    kept = found.left | {stretch.row for stretch in found.stretches}
    gone = [pk for pk in entries if pk not in kept]
    if gone:
        LedgerEntry.objects.filter(pk__in=gone).delete()


def first_unsettled(node: Node) -> datetime | None:
    """When the first stretch began that was not compared with the cloud's notes yet."""
    row = _unsettled(node).order_by("started_at").first()
    return None if row is None else row.started_at


def last_unsettled(node: Node) -> datetime | None:
    """When the last of them ended."""
    row = _unsettled(node).order_by("-ended_at").first()
    return None if row is None else row.ended_at


def _unsettled(node: Node) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(node=node, settled=False, ended_at__isnull=False)


def settle_as_seen(node: Node) -> None:
    """The cloud says no more than what was seen: that stands. The node's row is locked."""
    _unsettled(node).update(settled=True)


def spent(start: datetime, now: datetime) -> Decimal:
    """What the whole fleet has cost since then. The sums are the database's."""
    rows = LedgerEntry.objects.filter(started_at__gte=start, ended_at__isnull=False)
    whole = rows.values_list("price_per_hour").annotate(time=Sum(F("ended_at") - F("started_at")))
    total = sum((_exact(time.total_seconds(), price) for price, time in whole), Decimal(0))
    across = LedgerEntry.objects.filter(Q(ended_at__isnull=True) | Q(started_at__lt=start))
    for stretch in stretches(across.exclude(ended_at__lte=start)):
        total += _exact(stretch.seconds(start, now), stretch.price_per_hour)
    return total


def billed(start: datetime, end: datetime) -> tuple[Billed, ...]:
    """What was billed between two moments, added up by the database as far as it can be."""
    whole = LedgerEntry.objects.filter(started_at__gte=start, ended_at__lte=end)
    sums = whole.values_list("node_id", "cause", "price_per_hour").annotate(
        time=Sum(F("ended_at") - F("started_at"))
    )
    totals = {
        (node, Cause(cause), price): time.total_seconds()
        for node, cause, price, time in sums.order_by()
    }
    across = LedgerEntry.objects.filter(
        Q(started_at__lt=start) | Q(ended_at__isnull=True) | Q(ended_at__gt=end)
    )
    for entry in across.filter(started_at__lt=end).exclude(ended_at__lte=start):
        key = (entry.node_id, Cause(entry.cause), entry.price_per_hour)
        [stretch] = stretches([entry])
        totals[key] = totals.get(key, 0.0) + stretch.seconds(start, end)
    return tuple(Billed(*key, seconds) for key, seconds in totals.items() if seconds > 0)


def stretches(entries: Iterable[LedgerEntry]) -> tuple[Stretch, ...]:
    """The entries as values."""
    return tuple(
        Stretch(Cause(e.cause), e.started_at, e.ended_at, e.job_id, e.price_per_hour)
        for e in entries
    )


def seconds_by_cause(
    ledger: Iterable[Stretch], start: datetime, end: datetime
) -> Mapping[Cause, float]:
    """Billed seconds between two moments, by cause; causes without any are left out."""
    totals: dict[Cause, float] = {}
    for stretch in ledger:
        inside = stretch.seconds(start, end)
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
    return to_the_cent(_exact(seconds, price_per_hour))


def cost_between(ledger: Iterable[Stretch], start: datetime, end: datetime) -> Decimal:
    """What stretches cost between two moments, each at its own price."""
    return to_the_cent(
        sum((_exact(s.seconds(start, end), s.price_per_hour) for s in ledger), Decimal(0))
    )


def to_the_cent(exact: Decimal) -> Decimal:
    return exact.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def _exact(seconds: float, price_per_hour: Decimal) -> Decimal:
    return price_per_hour * Decimal(str(seconds)) / 3600

"""The fleet as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max

from campus.fleet.timeline import WORDS, Bar, bars, duration, span_of
from orchestrator import ledger
from orchestrator.fleet_report import FleetReport, NodeReport, day_of, fleet_report
from orchestrator.forecast import Forecast
from orchestrator.models import Job, Node, NodeEvent
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause, JobState, Wanted

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A cause and its part of the day's billed time."""

    cause: Cause
    words: str
    seconds: float
    cost: Decimal


@dataclass(frozen=True, slots=True)
class NodeCard:
    """One node: its report, what it works on, since when it is as it is, and what may be asked."""

    report: NodeReport
    job: Job | None
    since: datetime | None
    shares: list[Share]
    billed: float
    bars: tuple[Bar, ...]
    span: str
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueuedJob:
    job: Job
    sentence: str


@dataclass(frozen=True, slots=True)
class Overview:
    report: FleetReport
    nodes: list[NodeCard]
    queue: list[QueuedJob]
    billed: float
    cost: Decimal


def overview(now: datetime) -> Overview:
    """Everything on the page."""
    report = fleet_report(now)
    jobs = Job.objects.in_bulk([node.job for node in report.nodes if node.job])
    by_id = {str(pk): job for pk, job in jobs.items()}
    since = _since()
    nodes = {node.name: node for node in Node.objects.all()}
    cards = [_card(one, nodes[one.name], by_id, since.get(one.name), now) for one in report.nodes]
    known = Forecast(now)
    queued = Job.objects.filter(state=JobState.QUEUED).order_by("-priority", "created_at")
    return Overview(
        report=report,
        nodes=cards,
        queue=[QueuedJob(job, known.waiting(job).sentence) for job in queued[:_SHOWN]],
        billed=sum(card.billed for card in cards),
        cost=sum((node.cost for node in report.nodes), Decimal()),
    )


def orders(wanted: str, parked: bool) -> tuple[str, ...]:
    """What an operator may tell a node that is wanted like this."""
    if parked or wanted == Wanted.HELD:
        return ("release",) if parked else ("release", "drain")
    return ("hold", "drain")


def recent_events() -> list[NodeEvent]:
    """What happened lately, the newest first."""
    return list(NodeEvent.objects.select_related("node").order_by("-at", "-id")[:30])


def _since() -> dict[str, datetime]:
    """When each node's last event was: since then it is as it is."""
    rows = Node.objects.annotate(last=Max("events__at")).values_list("name", "last")
    return {name: last for name, last in rows if last is not None}


def _card(
    report: NodeReport, node: Node, jobs: dict[str, Job], since: datetime | None, now: datetime
) -> NodeCard:
    price = fleet_settings().fleet_price_per_hour
    shares = [
        Share(Cause(cause), WORDS[Cause(cause)], seconds, ledger.cost(seconds, price))
        for cause, seconds in sorted(report.seconds.items(), key=lambda item: -item[1])
    ]
    stretches = day_of(node, now)
    shown = span_of(stretches, now)
    return NodeCard(
        report=report,
        job=jobs.get(report.job) if report.job else None,
        since=since,
        shares=shares,
        billed=sum(report.seconds.values()),
        bars=bars(stretches, now - shown, now),
        span=duration(shown.total_seconds()),
        orders=orders(report.wanted, report.parked),
    )

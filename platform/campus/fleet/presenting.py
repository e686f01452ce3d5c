"""The fleet as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from orchestrator.fleet_report import FleetReport, NodeReport, fleet_report
from orchestrator.forecast import waiting
from orchestrator.models import Job, Node, NodeEvent
from orchestrator.settings import fleet_settings
from orchestrator.states import JobState, Wanted

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A cause and its part of the day's billed time."""

    cause: str
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True)
class NodeCard:
    """One node: its report, what it works on, since when it is as it is, and what may be asked."""

    report: NodeReport
    job: Job | None
    since: datetime | None
    shares: list[Share]
    billed: float
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
    cost: float


def overview(now: datetime) -> Overview:
    """Everything on the page."""
    report = fleet_report(now)
    jobs = Job.objects.in_bulk([node.job for node in report.nodes if node.job])
    by_id = {str(pk): job for pk, job in jobs.items()}
    since = _since()
    cards = [_card(node, by_id, since.get(node.name)) for node in report.nodes]
    queued = Job.objects.filter(state=JobState.QUEUED).order_by("-priority", "created_at")
    return Overview(
        report=report,
        nodes=cards,
        queue=[QueuedJob(job, waiting(job, now).sentence) for job in queued[:_SHOWN]],
        billed=sum(card.billed for card in cards),
        cost=float(sum(node.cost for node in report.nodes)),
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


def _card(report: NodeReport, jobs: dict[str, Job], since: datetime | None) -> NodeCard:
    price = fleet_settings().fleet_price_per_hour
    shares = [
        Share(cause, seconds, seconds / 3600 * price)
        for cause, seconds in sorted(report.seconds.items(), key=lambda item: -item[1])
    ]
    return NodeCard(
        report=report,
        job=jobs.get(report.job) if report.job else None,
        since=since,
        shares=shares,
        billed=sum(report.seconds.values()),
        orders=orders(report.wanted, report.parked),
    )

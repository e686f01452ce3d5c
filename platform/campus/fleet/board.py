"""What the fleet's page shows, put together from the orchestrator's facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from campus.fleet.timeline import WORDS, Bar, bars, duration, span_of
from orchestrator import forecast, ledger
from orchestrator.fleet_report import NodeReport, day_of, fleet_report
from orchestrator.models import Job, Node, NodeEvent
from orchestrator.policy.phase import Phase
from orchestrator.settings import fleet_settings
from orchestrator.states import ACTIVE_JOB_STATES, Cause, JobState

_EVENTS = 8
_JOBS = 50

_PHASES = {
    Phase.UNKNOWN: "not seen yet",
    Phase.ASLEEP: "asleep",
    Phase.WAKING: "waking",
    Phase.BOOTING: "starting",
    Phase.IDLE: "idle",
    Phase.WORKING: "working",
    Phase.SILENT: "silent",
    Phase.BROKEN: "broken",
    Phase.DRAINING: "draining",
    Phase.STOPPING: "stopping",
    Phase.SHELVING: "going to sleep",
    Phase.ERROR: "error at the cloud",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """A cause's share of the last day."""

    cause: Cause
    words: str
    time: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class NodeCard:
    """A node as its card shows it."""

    report: NodeReport
    phase: str
    words: str
    held: bool
    job: Job | None
    bars: tuple[Bar, ...]
    span: str
    spent: tuple[Spent, ...]
    total: Spent | None
    events: tuple[NodeEvent, ...]


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that is under way, and what it waits for."""

    job: Job
    label: str
    waiting: str


@dataclass(frozen=True, slots=True)
class Board:
    at: datetime
    nodes: tuple[NodeCard, ...]
    jobs: tuple[QueuedJob, ...]


def board(now: datetime) -> Board:
    """All of it."""
    report = fleet_report(now)
    nodes = {node.name: node for node in Node.objects.all()}
    active = Job.objects.filter(state__in=ACTIVE_JOB_STATES)
    jobs = list(active.order_by("-state", "-priority", "created_at")[:_JOBS])
    by_id = {str(job.pk): job for job in jobs}
    return Board(
        at=now,
        nodes=tuple(
            _card(one, nodes[one.name], by_id.get(one.job or ""), now) for one in report.nodes
        ),
        jobs=tuple(_queued(job, now) for job in jobs),
    )


def label_of(job: Job) -> str:
    """What a job is about, from the labels its submitter gave it."""
    words = [str(job.labels.get(name, "")) for name in ("lesson", "language")]
    return " → ".join(word for word in words if word) or f"{job.kind} {str(job.pk)[:8]}"


def _card(report: NodeReport, node: Node, job: Job | None, now: datetime) -> NodeCard:
    stretches = day_of(node, now)
    span = span_of(stretches, now)
    price = Decimal(str(fleet_settings().fleet_price_per_hour))
    spent = tuple(
        Spent(Cause(cause), WORDS[Cause(cause)], duration(seconds), ledger.cost(seconds, price))
        for cause, seconds in sorted(report.seconds.items(), key=lambda item: -item[1])
    )
    seconds = sum(report.seconds.values())
    return NodeCard(
        report=report,
        phase=report.phase,
        words=_PHASES[Phase(report.phase)],
        held=report.wanted == "held",
        job=job,
        bars=bars(stretches, now - span, now),
        span=duration(span.total_seconds()),
        spent=spent,
        total=Spent(Cause.JOB, "in all", duration(seconds), report.cost) if spent else None,
        events=tuple(node.events.all()[:_EVENTS]),
    )


def _queued(job: Job, now: datetime) -> QueuedJob:
    waits = job.state == JobState.QUEUED
    return QueuedJob(job, label_of(job), forecast.waiting(job, now).sentence if waits else "")

"""The fleet as its page shows it. The number of statements does not grow with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from campus.fleet import past
from campus.fleet.event_words import said
from campus.fleet.money import Money, money
from campus.fleet.past import job_words
from campus.fleet.timeline import WORDS, Bar, Mark, Span, State, bars, marks, states, ticks
from campus.voiceovers import progress
from orchestrator import history
from orchestrator.fleet_report import FleetReport, NodeReport, fleet_report
from orchestrator.forecast import Forecast
from orchestrator.models import Attempt, Job, Node, NodeEvent
from orchestrator.policy.accuracy import Accuracy
from orchestrator.policy.phase import Phase
from orchestrator.policy.views import NodeView
from orchestrator.retired import active_nodes
from orchestrator.states import AttemptOutcome, JobState, Wanted

QUEUE_SHOWN = 20
_ROWS_SHOWN = 40
_ROWS_OF_MANY = 10
_EVENTS_SHOWN = 20
_OPEN_CARDS = 4
"""So few nodes are shown in full; of more, only those that a person should look at."""

_TROUBLED = frozenset({Phase.BROKEN, Phase.SILENT, Phase.ERROR, Phase.RESERVED})


@dataclass(frozen=True, slots=True)
class RunningJob:
    """`fraction` of its stages; `ends_at` as the durations of other jobs say; None: overdue."""

    words: str
    node: str
    since: datetime
    fraction: float | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class NodeCard:
    """One node: its report, its past, and what may be asked of it."""

    report: NodeReport
    job: RunningJob | None
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    rows: list[State]
    earlier: int
    orders: tuple[str, ...]
    troubled: bool
    open: bool

    @property
    def tone(self) -> str:
        """The state whose colour its badge has."""
        return "error" if self.report.phase == Phase.RESERVED else self.report.phase

    @property
    def memory(self) -> str:
        """Of its GPU, such as "11.2 of 24.0 GiB"."""
        gpu = self.report.gpu
        if gpu is None:
            return ""
        return f"{gpu.memory_used_mb / 1024:.1f} of {gpu.memory_total_mb / 1024:.1f} GiB"


@dataclass(frozen=True, slots=True)
class QueuedJob:
    words: str
    since: datetime
    sentence: str
    begins_at: datetime | None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a node, in words."""

    node: str
    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Overview:
    report: FleetReport
    span: Span
    ticks: tuple[datetime, ...]
    nodes: list[NodeCard]
    running: list[RunningJob]
    queue: list[QueuedJob]
    queued_more: int
    money: Money
    accuracy: Accuracy | None
    awake: int
    lately: list[Happening]
    legend: list[tuple[str, str]]


def overview(now: datetime, span: Span = Span.DAY) -> Overview:
    """Everything on the page."""
    known = Forecast(now)
    report = fleet_report(now, known.fleet)
    running = _running(known)
    return Overview(
        report=report,
        span=span,
        ticks=ticks(now - span.length, now),
        nodes=_cards(report, span, {job.node: job for job in running}),
        running=running,
        queue=_queue(known),
        queued_more=max(0, report.queued - QUEUE_SHOWN),
        money=money(known.fleet, now),
        accuracy=history.estimate_accuracy(),
        awake=sum(node.awake_since is not None for node in report.nodes),
        lately=_lately(),
        legend=[(cause.value if cause else "asleep", words) for cause, words in WORDS.items()],
    )


def _cards(report: FleetReport, span: Span, working: Mapping[str, RunningJob]) -> list[NodeCard]:
    start, now = report.at - span.length, report.at
    ledgers, events = past.ledgers(start, now), past.events(start)
    rows = {node.name: node for node in active_nodes()}
    few = len(report.nodes) <= _OPEN_CARDS
    most = _ROWS_SHOWN if few else _ROWS_OF_MANY
    cards = []
    for one in sorted(report.nodes, key=lambda node: _by_number(node.name)):
        node, troubled = rows[one.name], _troubled(one, report)
        happened = events.get(node.pk, [])
        shown = states(ledgers.get(node.pk, []), happened, max(start, node.created_at), now)
        cards.append(
            NodeCard(
                report=one,
                job=working.get(one.name),
                bars=bars(shown, start, now),
                marks=marks(happened, start, now),
                rows=list(reversed(shown[-most:])),
                earlier=max(0, len(shown) - most),
                orders=orders(node, now),
                troubled=troubled,
                open=few or troubled,
            )
        )
    return cards


def orders(node: Node, now: datetime) -> tuple[str, ...]:
    """What an operator may tell a node that is like this."""
    if node.parked:
        usual: tuple[str, ...] = ("release",)
    elif node.wanted == Wanted.HELD:
        usual = ("release", "drain")
    else:
        usual = ("hold", "drain")
    later = (moment for moment in (node.not_before, node.quarantined_until) if moment is not None)
    return ("retry", *usual) if any(moment > now for moment in later) else usual


def _lately() -> list[Happening]:
    """What happened last, the newest first, whatever the span."""
    latest = NodeEvent.objects.select_related("node").order_by("-at", "-id")
    return [
        Happening(event.node.name, event.at, said(event.what, event.sentence))
        for event in latest[:_EVENTS_SHOWN]
    ]


def _by_number(name: str) -> list[tuple[int, str]]:
    """For sorting: gpu-2 goes before gpu-10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _troubled(node: NodeReport, report: FleetReport) -> bool:
    return node.phase in _TROUBLED or any(alert.subject == node.name for alert in report.alerts)


def _running(known: Forecast) -> list[RunningJob]:
    by_job = {view.lease.job: view for view in known.fleet.nodes if view.lease is not None}
    attempts = Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).select_related("job")
    return [
        _running_job(attempt, by_job[attempt.job_id], known.now)
        for attempt in attempts.order_by("claimed_at")
        if attempt.job_id in by_job
    ]


def _running_job(attempt: Attempt, node: NodeView, now: datetime) -> RunningJob:
    stages = progress.stages(attempt.job.stages)
    left = node.lease.left if node.lease is not None else timedelta()
    return RunningJob(
        words=job_words(attempt.job.kind, attempt.job.labels),
        node=node.name,
        since=attempt.claimed_at,
        fraction=progress.overall(stages) if stages else None,
        ends_at=now + left if left > timedelta() else None,
    )


def _queue(known: Forecast) -> list[QueuedJob]:
    queued = Job.objects.filter(state=JobState.QUEUED).order_by("-priority", "created_at", "pk")
    return [_queued_job(job, known) for job in queued[:QUEUE_SHOWN]]


def _queued_job(job: Job, known: Forecast) -> QueuedJob:
    waits = known.waiting(job)
    return QueuedJob(
        words=job_words(job.kind, job.labels),
        since=job.created_at,
        sentence=waits.sentence,
        begins_at=known.now + timedelta(seconds=waits.seconds)
        if waits.seconds is not None
        else None,
    )

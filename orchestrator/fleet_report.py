"""The fleet as people and scripts read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import AwareDatetime

from gpu_node.contracts.base import Contract
from orchestrator import ledger
from orchestrator.models import Attempt, Job, LedgerEntry, Node
from orchestrator.policy.phase import phase
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import fleet_view
from orchestrator.states import ACTIVE_JOB_STATES, AttemptOutcome, JobState

_DAY = timedelta(days=1)


class NodeReport(Contract):
    """One node: its phase, why, and what the last 24 hours went on, in seconds by cause."""

    name: str
    phase: str
    wanted: str
    parked: bool
    note: str
    cloud: str
    job: str | None
    worker: str
    worker_sentence: str
    worker_seen_at: AwareDatetime | None
    awake_since: AwareDatetime | None
    seconds: dict[str, float]
    cost: Decimal


class FleetReport(Contract):
    at: AwareDatetime
    queued: int
    running: int
    nodes: tuple[NodeReport, ...]


def fleet_report(now: datetime) -> FleetReport:
    """What the fleet is doing."""
    view = fleet_view(now)
    nodes = {node.name: node for node in Node.objects.all()}
    active = Job.objects.filter(state__in=ACTIVE_JOB_STATES)
    running = {
        attempt.node_id: str(attempt.job_id)
        for attempt in Attempt.objects.filter(outcome=AttemptOutcome.RUNNING)
    }
    return FleetReport(
        at=now,
        queued=active.filter(state=JobState.QUEUED).count(),
        running=active.filter(state=JobState.RUNNING).count(),
        nodes=tuple(
            _node_report(
                nodes[seen.name],
                phase(seen, view.policy, now),
                running.get(nodes[seen.name].pk),
                now,
            )
            for seen in view.nodes
        ),
    )


def _node_report(node: Node, where: str, job: str | None, now: datetime) -> NodeReport:
    spent = ledger.seconds_by_cause(day_of(node, now), now - _DAY, now)
    price = fleet_settings().fleet_price_per_hour
    return NodeReport(
        name=node.name,
        phase=where,
        wanted=node.wanted,
        parked=node.parked,
        note=node.note,
        cloud=node.cloud_status,
        job=job,
        worker=node.worker_state,
        worker_sentence=node.worker_sentence,
        worker_seen_at=node.worker_seen_at,
        awake_since=node.awake_since,
        seconds={cause: round(seconds, 3) for cause, seconds in spent.items()},
        cost=ledger.cost(sum(spent.values()), price),
    )


def day_of(node: Node, now: datetime) -> Sequence[ledger.Stretch]:
    """The ledger of the last 24 hours."""
    rows = LedgerEntry.objects.filter(node=node).exclude(ended_at__lt=now - _DAY)
    return ledger.stretches(rows)

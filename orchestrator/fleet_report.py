"""The fleet as people and scripts read it. The number of statements does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from pydantic import AwareDatetime, ValidationError

from gpu_node.contracts.base import Contract
from gpu_node.contracts.node_api import GpuFacts
from orchestrator import ledger
from orchestrator.ledger import Billed
from orchestrator.models import Alert, FleetState, Job, Node
from orchestrator.policy.phase import phase
from orchestrator.policy.views import FleetView, NodeView, Policy
from orchestrator.policy.wording import describe
from orchestrator.retired import active_nodes
from orchestrator.snapshot import fleet_view
from orchestrator.states import CloudStatus, JobState

_DAY = timedelta(days=1)
_GONE = frozenset({CloudStatus.DELETED, CloudStatus.SOFT_DELETED})


class NodeReport(Contract):
    """One node: its phase, why, and what the last 24 hours went on, in seconds by cause."""

    name: str
    phase: str
    why: str
    wanted: str
    parked: bool
    note: str
    cloud: str
    cloud_task: str
    cloud_fault: str
    locked: bool
    job: str | None
    worker: str
    worker_sentence: str
    worker_version: str
    worker_seen_at: AwareDatetime | None
    gpu: GpuFacts | None
    awake_since: AwareDatetime | None
    next_try_at: AwareDatetime | None
    quarantined_until: AwareDatetime | None
    seconds: dict[str, float]
    cost: Decimal


class AlertReport(Contract):
    """Something that a person should know of, for as long as it is so."""

    kind: str
    subject: str
    sentence: str
    raised_at: AwareDatetime
    cleared_at: AwareDatetime | None = None


class FleetReport(Contract):
    """`cloud_trouble`: what is wrong with the cloud as a whole, in a sentence; empty: nothing."""

    at: AwareDatetime
    queued: int
    running: int
    cloud_trouble: str
    cloud_trouble_since: AwareDatetime | None
    ticked_at: AwareDatetime | None
    alerts: tuple[AlertReport, ...]
    nodes: tuple[NodeReport, ...]


def fleet_report(now: datetime, view: FleetView | None = None) -> FleetReport:
    """What the fleet is doing. `view`: it as it was read at that time already."""
    view = view or fleet_view(now)
    state = FleetState.objects.filter(pk=1).first() or FleetState()
    nodes = {node.name: node for node in active_nodes()}
    seen = [one for one in view.nodes if one.name in nodes]
    spent = _by_node(ledger.billed(now - _DAY, now))
    return FleetReport(
        at=now,
        queued=Job.objects.filter(state=JobState.QUEUED).count(),
        running=sum(one.lease is not None for one in seen),
        cloud_trouble=state.cloud_sentence if state.cloud_error else "",
        cloud_trouble_since=state.cloud_error_since if state.cloud_error else None,
        ticked_at=state.ticked_at,
        alerts=open_alerts(),
        nodes=tuple(
            _node_report(nodes[one.name], one, spent.get(nodes[one.name].pk, []), view.policy, now)
            for one in seen
        ),
    )


def open_alerts() -> tuple[AlertReport, ...]:
    """What is wrong now, the newest first."""
    return tuple(_alert(row) for row in Alert.objects.filter(cleared_at__isnull=True))


def latest_alerts(count: int) -> tuple[AlertReport, ...]:
    """What is or was wrong, the newest first: the latest, and all that is still so."""
    latest = list(Alert.objects.all()[:count])
    older = Alert.objects.filter(cleared_at__isnull=True).exclude(pk__in=[a.pk for a in latest])
    return tuple(_alert(row) for row in [*latest, *older])


def awake_since(node: Node) -> datetime | None:
    """Since when it has been awake; None while it sleeps, or when its server is gone."""
    return node.awake_since if node.cloud_status not in _GONE else None


def gpu_of(node: Node) -> GpuFacts | None:
    """What its worker last said of its GPU; None when it said nothing that makes sense."""
    try:
        return GpuFacts.model_validate(node.worker_gpu)
    except ValidationError:
        return None


def _alert(row: Alert) -> AlertReport:
    return AlertReport(
        kind=row.kind,
        subject=row.subject,
        sentence=row.sentence,
        raised_at=row.raised_at,
        cleared_at=row.cleared_at,
    )


def _by_node(billed: Iterable[Billed]) -> dict[UUID, list[Billed]]:
    nodes: dict[UUID, list[Billed]] = {}
    for one in billed:
        nodes.setdefault(one.node, []).append(one)
    return nodes


def _node_report(
    node: Node, view: NodeView, spent: list[Billed], policy: Policy, now: datetime
) -> NodeReport:
    seconds: dict[str, float] = {}
    for one in spent:
        seconds[one.cause] = seconds.get(one.cause, 0.0) + one.seconds
    waits = node.not_before is not None and node.not_before > now
    return NodeReport(
        name=node.name,
        phase=phase(view, policy, now),
        why=describe(view, policy, now),
        wanted=node.wanted,
        parked=node.parked,
        note=node.note,
        cloud=node.cloud_status,
        cloud_task=node.cloud_task,
        cloud_fault=node.cloud_fault,
        locked=node.cloud_locked,
        job=str(view.lease.job) if view.lease is not None else None,
        worker=node.worker_state,
        worker_sentence=node.worker_sentence,
        worker_version=node.worker_version,
        worker_seen_at=node.worker_seen_at,
        gpu=gpu_of(node),
        awake_since=awake_since(node),
        next_try_at=node.not_before if waits else None,
        quarantined_until=node.quarantined_until if view.quarantined(now) else None,
        seconds={cause: round(each, 3) for cause, each in seconds.items()},
        cost=ledger.to_the_cent(sum((one.cost for one in spent), Decimal(0))),
    )

"""The rows as the values that policies are shown."""

from __future__ import annotations

from datetime import datetime, timedelta

from gpu_node.contracts.node_api import WorkerState
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, Node
from orchestrator.policy.site import Site
from orchestrator.policy.views import FleetView, Lease, NodeView, Operation, Policy, Worker
from orchestrator.settings import FleetSettings, fleet_settings
from orchestrator.states import (
    UNRESOLVED,
    AttemptOutcome,
    CloudStatus,
    Gate,
    JobState,
    OperationKind,
    OperationOutcome,
    Wanted,
)


def policy_of(settings: FleetSettings) -> Policy:
    """The rules of this installation."""
    return Policy(
        lease=timedelta(seconds=settings.fleet_lease_seconds),
        heartbeat=timedelta(seconds=settings.fleet_heartbeat_seconds),
        idle=timedelta(minutes=settings.fleet_idle_minutes),
        boot=timedelta(seconds=settings.fleet_boot_seconds),
        stop=timedelta(seconds=settings.fleet_stop_seconds),
        tick=timedelta(seconds=settings.fleet_tick_seconds),
    )


def fleet_view(now: datetime) -> FleetView:
    """What is, as far as the database knows."""
    state = FleetState.objects.filter(pk=1).first() or FleetState()
    leases = {
        attempt.node_id: Lease(attempt.pk, attempt.job_id, attempt.lease_until)
        for attempt in Attempt.objects.filter(outcome=AttemptOutcome.RUNNING)
    }
    operations = {
        operation.node_id: _operation(operation)
        for operation in CloudOperation.objects.filter(outcome__in=UNRESOLVED)
    }
    return FleetView(
        now=now,
        queued=Job.objects.filter(state=JobState.QUEUED, not_before__lte=now).count(),
        nodes=tuple(
            _node(node, leases.get(node.pk), operations.get(node.pk))
            for node in Node.objects.order_by("name")
        ),
        site=Site(state.site_up_since, state.site_seen_at),
        policy=policy_of(fleet_settings()),
    )


def node_view(node: Node) -> NodeView:
    """One node alone."""
    attempt = Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING).first()
    operation = CloudOperation.objects.filter(node=node, outcome__in=UNRESOLVED).first()
    return _node(
        node,
        Lease(attempt.pk, attempt.job_id, attempt.lease_until) if attempt else None,
        _operation(operation) if operation else None,
    )


def _node(node: Node, lease: Lease | None, operation: Operation | None) -> NodeView:
    return NodeView(
        name=node.name,
        wanted=Wanted(node.wanted),
        parked=node.parked,
        gate=Gate(node.gate),
        gate_since=node.gate_since,
        cloud=CloudStatus(node.cloud_status),
        task=node.cloud_task or None,
        cloud_seen_at=node.cloud_seen_at,
        locked=node.cloud_locked,
        awake_since=node.awake_since,
        worker=_worker(node),
        ready_at=node.ready_at,
        busy_until=node.busy_until,
        lease=lease,
        operation=operation,
        wake_requested=node.wake_requested,
        failures=node.failures,
        not_before=node.not_before,
    )


def _worker(node: Node) -> Worker | None:
    if node.worker_seen_at is None or not node.worker_state:
        return None
    return Worker(node.boot_id, WorkerState(node.worker_state), node.worker_seen_at)


def _operation(row: CloudOperation) -> Operation:
    return Operation(
        id=row.pk,
        kind=OperationKind(row.kind),
        outcome=OperationOutcome(row.outcome),
        intended_at=row.intended_at,
        sent_at=row.sent_at,
        deadline=row.deadline,
    )

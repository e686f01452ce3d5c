"""The rows as the values that policies are shown. The number of statements never grows."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from django.db.models import Count, Sum

from gpu_node.contracts.node_api import WorkerState
from orchestrator import history, ledger
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.months import midnight, month_of
from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.durations import Durations
from orchestrator.policy.site import Site
from orchestrator.policy.views import (
    Demand,
    FleetView,
    Lease,
    NodeView,
    Operation,
    Policy,
    Worker,
)
from orchestrator.retired import active_nodes
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


@lru_cache(maxsize=8)
def policy_of(settings: FleetSettings) -> Policy:
    """The rules of this installation."""
    return Policy(
        lease=timedelta(seconds=settings.fleet_lease_seconds),
        heartbeat=timedelta(seconds=settings.fleet_heartbeat_seconds),
        idle=timedelta(minutes=settings.fleet_idle_minutes),
        boot=timedelta(seconds=settings.fleet_boot_seconds),
        stop=timedelta(seconds=settings.fleet_stop_seconds),
        tick=timedelta(seconds=settings.fleet_tick_seconds),
        unshelve=timedelta(seconds=settings.fleet_unshelve_seconds),
        shelve=timedelta(seconds=settings.fleet_shelve_seconds),
        max_uptime=timedelta(hours=settings.fleet_max_uptime_hours),
        call=timedelta(seconds=settings.fleet_call_seconds),
        target_wait=timedelta(minutes=settings.fleet_target_wait_minutes),
        keep_warm=settings.fleet_keep_warm,
        budget=Budget(
            day=settings.fleet_budget_day or None,
            month=settings.fleet_budget_month or None,
            alert=Decimal(str(settings.fleet_budget_alert_percent)) / 100,
        ),
        billed=frozenset(CloudStatus(status) for status in settings.fleet_billed_statuses),
        price_per_hour=settings.fleet_price_per_hour,
    )


def fleet_view(now: datetime) -> FleetView:
    """What is, as far as the database knows."""
    settings = fleet_settings()
    state = FleetState.objects.filter(pk=1).first() or FleetState()
    queue = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now)
    groups = list(
        queue.values_list("kind", "priority").annotate(
            jobs=Count("pk"), media=Sum("media_seconds"), with_media=Count("media_seconds")
        )
    )
    running = list(Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).select_related("job"))
    durations = history.durations() if groups or running else None
    leases = {one.node_id: _lease(one, durations, now) for one in running}
    operations = {
        operation.node_id: _operation(operation)
        for operation in CloudOperation.objects.filter(outcome__in=UNRESOLVED)
    }
    unsettled = set(
        LedgerEntry.objects.filter(settled=False, ended_at__isnull=False).values_list(
            "node_id", "server_id"
        )
    )
    policy = policy_of(settings)
    return FleetView(
        now=now,
        queue=tuple(
            Demand(
                kind=kind,
                urgent=priority >= settings.fleet_urgent_priority,
                jobs=jobs,
                work=durations.work(kind, media or 0.0, jobs - with_media)
                if durations is not None
                else timedelta(),
            )
            for kind, priority, jobs, media, with_media in groups
        ),
        nodes=tuple(
            _node(
                node,
                leases.get(node.pk),
                operations.get(node.pk),
                (node.pk, node.server_id) in unsettled,
            )
            for node in active_nodes().order_by("name")
        ),
        site=Site(state.site_up_since, state.site_seen_at),
        spent=spent(now, policy.budget),
        policy=policy,
        usual_wake=(history.usual_wake() if groups else None) or history.PROMISED_WAKE,
    )


def spent(now: datetime, budget: Budget) -> Spent:
    """What was spent today and this month, if there is a limit to either."""
    nothing = Decimal(0)
    return Spent(
        ledger.spent(midnight(now), now) if budget.day is not None else nothing,
        ledger.spent(month_of(now).start, now) if budget.month is not None else nothing,
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


def node_views() -> tuple[NodeView, ...]:
    """All nodes, with nothing of the queue or the money."""
    leases = {
        one.node_id: Lease(one.pk, one.job_id, one.lease_until)
        for one in Attempt.objects.filter(outcome=AttemptOutcome.RUNNING)
    }
    operations = {
        operation.node_id: _operation(operation)
        for operation in CloudOperation.objects.filter(outcome__in=UNRESOLVED)
    }
    return tuple(
        _node(node, leases.get(node.pk), operations.get(node.pk)) for node in active_nodes()
    )


def _lease(attempt: Attempt, durations: Durations | None, now: datetime) -> Lease:
    left = timedelta()
    if durations is not None:
        job = attempt.job
        whole = timedelta(seconds=durations.seconds(job.kind, job.media_seconds))
        left = max(timedelta(), whole - (now - attempt.claimed_at))
    return Lease(attempt.pk, attempt.job_id, attempt.lease_until, left)


def _node(
    node: Node, lease: Lease | None, operation: Operation | None, unsettled: bool = False
) -> NodeView:
    return NodeView(
        name=node.name,
        wanted=Wanted(node.wanted),
        parked=node.parked,
        gate=Gate(node.gate),
        gate_since=node.gate_since,
        gate_why=node.gate_why,
        cloud=CloudStatus(node.cloud_status),
        task=node.cloud_task or None,
        cloud_seen_at=node.cloud_seen_at,
        locked=node.cloud_locked,
        awake_since=node.awake_since,
        active_since=node.active_since,
        woken_here=node.woken_here,
        worker=_worker(node),
        ready_at=node.ready_at,
        busy_until=node.busy_until,
        lease=lease,
        operation=operation,
        wake_requested=node.wake_requested,
        failures=node.failures,
        not_before=node.not_before,
        kinds=frozenset(node.worker_kinds),
        quarantined_until=node.quarantined_until,
        rung_at=node.rung_at,
        restarts=node.restarts,
        restarted_at=node.restarted_at,
        reachable=bool(node.address),
        idle_limit=timedelta(seconds=node.idle_limit_seconds)
        if node.idle_limit_seconds is not None
        else None,
        idle_limit_since=node.idle_limit_since,
        unsettled=unsettled,
        settle_after=node.settle_after,
    )


def _worker(node: Node) -> Worker | None:
    if node.worker_seen_at is None or not node.worker_state:
        return None
    return Worker(
        node.boot_id, WorkerState(node.worker_state), node.worker_seen_at, node.worker_state_since
    )


def _operation(row: CloudOperation) -> Operation:
    return Operation(
        id=row.pk,
        kind=OperationKind(row.kind),
        outcome=OperationOutcome(row.outcome),
        intended_at=row.intended_at,
        sent_at=row.sent_at,
        deadline=row.deadline,
        send_by=row.send_by,
    )

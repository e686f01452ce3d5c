"""Which of the queued jobs may be begun now, and whom to tell of a new one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from gpu_node.contracts.node_api import WorkerState
from orchestrator import doorbell, store
from orchestrator.models import Attempt, Job, Node
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import policy_of, spent
from orchestrator.states import AttemptOutcome, Gate, JobState

_MOST_RINGS = 3


def ring_free_nodes_after_commit() -> None:
    """Tell nodes that are awake and free of new work at once, without a tick of the fleet."""
    store.on_commit(_ring_free_nodes)


def _ring_free_nodes() -> None:
    busy = set(
        Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).values_list("node_id", flat=True)
    )
    ready = Node.objects.filter(gate=Gate.OPEN, parked=False, worker_state=WorkerState.READY)
    free = [node.name for node in ready.order_by("awake_since", "name") if node.pk not in busy]
    for name in free[:_MOST_RINGS]:
        doorbell.ring_node(name)


def claimable(kinds: Sequence[str], now: datetime) -> QuerySet[Job]:
    """Queued jobs of these kinds; only the urgent ones once a budget is spent."""
    settings = fleet_settings()
    queued = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now, kind__in=list(kinds))
    budget = policy_of(settings).budget
    if budget.exhausted(spent(now, budget)):
        return queued.filter(priority__gte=settings.fleet_urgent_priority)
    return queued

"""Which of the queued jobs may be begun now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from orchestrator.models import Job
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import policy_of, spent
from orchestrator.states import JobState


def claimable(kinds: Sequence[str], now: datetime) -> QuerySet[Job]:
    """Queued jobs of these kinds; only the urgent ones once a budget is spent."""
    settings = fleet_settings()
    queued = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now, kind__in=list(kinds))
    budget = policy_of(settings).budget
    if budget.exhausted(spent(now, budget)):
        return queued.filter(priority__gte=settings.fleet_urgent_priority)
    return queued

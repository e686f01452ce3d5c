"""What a job waits for, read from the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from orchestrator.models import CloudOperation, Job, LedgerEntry
from orchestrator.policy import forecast
from orchestrator.policy.forecast import Waiting, WaitingFor
from orchestrator.snapshot import fleet_view
from orchestrator.states import Cause, JobState, OperationKind

_LATEST = 20


def waiting(job: Job, now: datetime) -> Waiting:
    """Why this job is not running yet, and for how long still."""
    if job.state != JobState.QUEUED:
        return Waiting(WaitingFor.NOTHING, "", 0.0)
    ahead = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now).filter(
        Q(priority__gt=job.priority) | Q(priority=job.priority, created_at__lt=job.created_at)
    )
    return forecast.waiting(fleet_view(now), job.not_before, ahead.count(), usual_wake())


def before_submitting(now: datetime) -> Waiting:
    """What a job that was submitted now would wait for."""
    queued = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now).count()
    return forecast.waiting(fleet_view(now), now, queued, usual_wake())


def usual_wake() -> timedelta | None:
    """The median time that nodes took lately from being woken to ready; None before the first."""
    boots = LedgerEntry.objects.filter(cause=Cause.BOOT, ended_at__isnull=False)
    lengths = sorted(
        entry.ended_at - entry.started_at
        for entry in boots.order_by("-started_at")[:_LATEST]
        if entry.ended_at is not None
    )
    if not lengths or not CloudOperation.objects.filter(kind=OperationKind.UNSHELVE).exists():
        return None
    return lengths[len(lengths) // 2]

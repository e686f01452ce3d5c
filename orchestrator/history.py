"""What has been: how long jobs took, and how long nodes took to wake."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.models import Attempt, CloudOperation, LedgerEntry
from orchestrator.policy import accuracy
from orchestrator.policy import durations as policy
from orchestrator.policy.accuracy import Accuracy, Told
from orchestrator.policy.durations import Durations, Sample
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, OperationKind

PROMISED_WAKE = timedelta(seconds=60)
"""Until a node has been woken once."""

_LATEST_JOBS = 200
_LATEST_WAKES = 20
_LATEST_TOUCHING = 400
"""So many stretches are looked through for them."""
_WHEN_READY = (Cause.IDLE, Cause.JOB)
_LATEST_TOLD = 50


def durations() -> Durations:
    """What jobs take, from the latest that went through in one attempt."""
    latest = (
        Attempt.objects.filter(outcome=AttemptOutcome.SUCCEEDED, number=1)
        .select_related("job")
        .order_by("-ended_at")[:_LATEST_JOBS]
    )
    samples = [
        Sample(one.job.kind, (one.ended_at - one.claimed_at).total_seconds(), one.job.media_seconds)
        for one in latest
        if one.ended_at is not None
    ]
    return policy.learn(samples, fleet_settings().fleet_gpu_minutes_per_minute)


def usual_wake() -> timedelta | None:
    """The median time that nodes took lately from being woken to ready; None before the first."""
    lengths = latest_wakes()
    if not lengths or not CloudOperation.objects.filter(kind=OperationKind.UNSHELVE).exists():
        return None
    return lengths[len(lengths) // 2]


def latest_wakes() -> tuple[timedelta, ...]:
    """How long nodes took lately from being woken to ready, the shortest first."""
    ready = LedgerEntry.objects.filter(cause__in=_WHEN_READY).order_by("-started_at")
    since = {(one.node_id, one.started_at) for one in ready[:_LATEST_TOUCHING]}
    if not since:
        return ()
    boots = LedgerEntry.objects.filter(
        cause=Cause.BOOT, ended_at__gte=min(at for _, at in since)
    ).order_by("-started_at")[:_LATEST_TOUCHING]
    lengths = [
        entry.ended_at - entry.started_at
        for entry in boots
        # A waking that was refused, or that no worker came out of, is followed by something else.
        if entry.ended_at is not None and (entry.node_id, entry.ended_at) in since
    ]
    return tuple(sorted(lengths[:_LATEST_WAKES]))


def estimate_accuracy() -> Accuracy | None:
    """How good the estimates of the latest jobs were that went through in one attempt."""
    latest = (
        Attempt.objects.filter(
            outcome=AttemptOutcome.SUCCEEDED, number=1, job__predicted_seconds__isnull=False
        )
        .select_related("job")
        .order_by("-ended_at")[:_LATEST_TOLD]
    )
    return accuracy.accuracy(
        [
            Told(one.job.predicted_seconds, (one.ended_at - one.claimed_at).total_seconds())
            for one in latest
            if one.ended_at is not None and one.job.predicted_seconds is not None
        ]
    )

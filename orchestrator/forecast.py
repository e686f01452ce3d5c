"""What a job waits for, read from the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from orchestrator.history import usual_wake
from orchestrator.models import Job
from orchestrator.policy import forecast
from orchestrator.policy.forecast import Waiting, WaitingFor
from orchestrator.policy.views import FleetView
from orchestrator.snapshot import fleet_view
from orchestrator.states import JobState


class Forecast:
    """What jobs wait for at one moment: the fleet is read once, whatever number is asked about."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @cached_property
    def _fleet(self) -> FleetView:
        return fleet_view(self._now)

    @cached_property
    def _usual_wake(self) -> timedelta | None:
        return usual_wake()

    @cached_property
    def _places(self) -> dict[UUID, int]:
        """Every queued job that may be claimed now, with the number of those that go first."""
        queued = Job.objects.filter(state=JobState.QUEUED, not_before__lte=self._now)
        in_order = queued.order_by("-priority", "created_at", "pk").values_list("pk", flat=True)
        return {job: place for place, job in enumerate(in_order)}

    def waiting(self, job: Job) -> Waiting:
        """Why this job is not running yet, and for how long still."""
        if job.state != JobState.QUEUED:
            return Waiting(WaitingFor.NOTHING, "", 0.0)
        ahead = self._places.get(job.pk, 0)
        return forecast.waiting(self._fleet, job.not_before, ahead, self._usual_wake)


def waiting(job: Job, now: datetime) -> Waiting:
    """Why one job is not running yet."""
    return Forecast(now).waiting(job)


def before_submitting(now: datetime) -> Waiting:
    """What a job that was submitted now would wait for."""
    queued = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now).count()
    return forecast.waiting(fleet_view(now), now, queued, usual_wake())

"""What jobs wait for, read from the database: the fleet is read once, however many are asked of."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from orchestrator import history
from orchestrator.models import CloudOperation, FleetState, Job
from orchestrator.policy import forecast
from orchestrator.policy.durations import Durations
from orchestrator.policy.forecast import Cloud, Waiting, WaitingFor
from orchestrator.policy.schedule import Queued
from orchestrator.policy.steps import Why
from orchestrator.policy.views import Demand, FleetView
from orchestrator.retired import RETIRED
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import fleet_view
from orchestrator.states import JobState, OperationKind

FORESEEN = 200
"""So many jobs of the queue are given a time of their own."""

_LATEST_REFUSALS = timedelta(hours=2)
"""Longer than any node is left alone after a failure."""


class Forecast:
    """What jobs wait for at one moment."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def fleet(self) -> FleetView:
        view = fleet_view(self.now)
        there = tuple(node for node in view.nodes if node.gate_why != RETIRED)
        return replace(view, nodes=there)

    @cached_property
    def durations(self) -> Durations:
        return history.durations()

    @cached_property
    def cloud(self) -> Cloud:
        refused = CloudOperation.objects.filter(
            kind=OperationKind.UNSHELVE,
            node__not_before__gt=self.now,
            intended_at__gt=self.now - _LATEST_REFUSALS,
        ).order_by("intended_at", "pk")
        last = dict(refused.values_list("node__name", "reason"))
        return Cloud(
            answers=not FleetState.objects.exclude(cloud_error="").filter(pk=1).exists(),
            full=frozenset(name for name, why in last.items() if why == Why.NO_CAPACITY),
        )

    def waiting(self, job: Job) -> Waiting:
        """Why this job is not running yet, and for how long still."""
        if job.state != JobState.QUEUED:
            return Waiting(WaitingFor.NOTHING, "", 0.0)
        if (known := self._outlook.get(job.pk)) is not None:
            return known
        if len(self._queue) < FORESEEN:
            return Waiting(WaitingFor.QUEUE, "It has just been queued.")
        return self._beyond()

    def of_new(self, kind: str, media_seconds: float | None, priority: int = 0) -> Waiting:
        """What such a job would wait for if it were submitted now."""
        if len(self._queue) == FORESEEN:
            return self._beyond()
        new = self._queued(kind, priority, self.now, media_seconds)
        before = [q for (rank, q) in self._queue.values() if rank >= priority]
        after = [q for (rank, q) in self._queue.values() if rank < priority]
        demand = Demand(kind, new.urgent, 1, new.work)
        fleet = replace(
            self.fleet,
            queue=(*self.fleet.queue, demand),
            usual_wake=history.usual_wake() or history.PROMISED_WAKE,
        )
        return forecast.outlook(fleet, [*before, new, *after], self.cloud)[len(before)]

    def _beyond(self) -> Waiting:
        """Of a job that comes after all those that are foreseen: at least what the last waits."""
        return Waiting(
            WaitingFor.QUEUE,
            f"Waiting for a GPU node to be free: at least {FORESEEN} lessons go before it.",
            [*self._outlook.values()][-1].seconds,
        )

    @cached_property
    def _queue(self) -> dict[UUID, tuple[int, Queued]]:
        """The first jobs in the order in which they are claimed, each with its priority."""
        rows = Job.objects.filter(state=JobState.QUEUED).order_by("-priority", "created_at", "pk")
        known = rows.values_list("pk", "kind", "priority", "not_before", "media_seconds")
        return {
            pk: (priority, self._queued(kind, priority, not_before, media))
            for pk, kind, priority, not_before, media in known[:FORESEEN]
        }

    @cached_property
    def _outlook(self) -> dict[UUID, Waiting]:
        queue = [queued for _, queued in self._queue.values()]
        return dict(zip(self._queue, forecast.outlook(self.fleet, queue, self.cloud), strict=True))

    def _queued(
        self, kind: str, priority: int, not_before: datetime, media_seconds: float | None
    ) -> Queued:
        return Queued(
            kind=kind,
            urgent=priority >= fleet_settings().fleet_urgent_priority,
            not_before=not_before,
            work=timedelta(seconds=self.durations.seconds(kind, media_seconds)),
        )


def waiting(job: Job, now: datetime) -> Waiting:
    """Why one job is not running yet."""
    return Forecast(now).waiting(job)

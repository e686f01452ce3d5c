"""Jobs, the attempts at them, and the files they take and give."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from gpu_node.contracts.blobs import Blob
from orchestrator.states import ACTIVE_JOB_STATES, AttemptOutcome, JobState
from orchestrator.stored_model import StoredModel


class StoredBlob(StoredModel):
    """A file in storage, named by the SHA-256 of its bytes."""

    digest = models.CharField(max_length=64, primary_key=True)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        # Its own, for the base's would have to be in the migrations.
        pass

    def __str__(self) -> str:
        return self.digest[:12]


class Job(StoredModel):
    """A piece of work of some kind. What the kind means is the node's and the submitter's affair.

    `steps` is the most stages and items that any attempt has reported finished: it grows whenever
    work was done that will not be done again. `dedupe`, when not empty, is unique among jobs that
    are queued or running.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    payload: models.JSONField[Any, Any] = models.JSONField()
    needs_gpu = models.BooleanField(default=True)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first.")
    tenant = models.CharField(max_length=64, blank=True)
    labels: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    dedupe = models.CharField(max_length=128, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True)
    media_seconds = models.FloatField(null=True, blank=True)
    predicted_seconds = models.FloatField(null=True, blank=True)
    """Of a node's time, as it was expected when the job was submitted."""

    state = models.CharField(max_length=32, default=JobState.QUEUED)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    steps = models.PositiveIntegerField(default=0)
    stages: models.JSONField[Any, Any] = models.JSONField(default=list, blank=True)
    result: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe"],
                condition=~Q(dedupe="") & Q(state__in=sorted(ACTIVE_JOB_STATES)),
                name="one_active_job_per_dedupe_key",
            )
        ]
        indexes = [
            models.Index(fields=["state", "-priority", "created_at"], name="job_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {str(self.id)[:8]}"

    @property
    def current_state(self) -> JobState:
        return JobState(self.state)

    def outputs(self) -> dict[str, Blob]:
        """The accepted result's files by name; empty until the job has succeeded."""
        return {
            row.name: row.as_blob()
            for row in self.blobs.filter(direction=JobBlob.OUT).select_related("blob")
        }


class JobBlob(StoredModel):
    """A file that a job takes or has given, under the name its kind knows it by."""

    IN, OUT = "in", "out"

    job = models.ForeignKey(Job, models.CASCADE, related_name="blobs")
    direction = models.CharField(max_length=3, choices=[(IN, "in"), (OUT, "out")])
    name = models.CharField(max_length=64)
    blob = models.ForeignKey(StoredBlob, models.PROTECT)
    suffix = models.CharField(max_length=9, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "direction", "name"], name="job_blob_name")
        ]

    def __str__(self) -> str:
        return f"{self.job}: {self.name}"

    def as_blob(self) -> Blob:
        return Blob(digest=self.blob_id, size=self.blob.size, suffix=self.suffix)


class Attempt(StoredModel):
    """One node's try at a job. Of its token only the hash is kept."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    node = models.ForeignKey("orchestrator.Node", models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    token_hash = models.CharField(max_length=64)
    boot_id = models.CharField(max_length=64)
    claim_id = models.CharField(max_length=64, blank=True)
    """What the node called its request: the same one again gets the same attempt."""
    outcome = models.CharField(max_length=32, default=AttemptOutcome.RUNNING)
    claimed_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    steps_before = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    completion_hash = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    sentence = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    log = models.TextField(blank=True)
    """The end of the node's own log, fetched after a failure."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_number"),
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(outcome=AttemptOutcome.RUNNING.value),
                name="one_running_attempt_per_job",
            ),
            models.UniqueConstraint(
                fields=["node"],
                condition=Q(outcome=AttemptOutcome.RUNNING.value),
                name="one_running_attempt_per_node",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} #{self.number}"


class JobEvent(StoredModel):
    """A job's change of state, for people."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    old = models.CharField(max_length=32, blank=True)
    new = models.CharField(max_length=32)
    reason = models.CharField(max_length=40, blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.job}: {self.old} → {self.new}"

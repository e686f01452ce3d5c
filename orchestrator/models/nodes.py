"""Nodes: what is wanted of them, what the cloud and their workers say, and what they cost."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from orchestrator.states import UNRESOLVED, CloudStatus, Gate, OperationOutcome, Wanted


class Node(models.Model):
    """A server of the fleet. Three facts that are never folded into one: wanted, cloud, worker.

    `parked`: a person asked for it to be drained; it stays asleep until released.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(max_length=63, unique=True)
    server_id = models.CharField(max_length=64, blank=True)
    token_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    wanted = models.CharField(max_length=32, default=Wanted.ASLEEP)
    parked = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    gate = models.CharField(max_length=32, default=Gate.OPEN)
    gate_since = models.DateTimeField(null=True, blank=True)
    wake_requested = models.BooleanField(default=False)

    cloud_status = models.CharField(max_length=32, default=CloudStatus.UNKNOWN)
    cloud_task = models.CharField(max_length=64, blank=True)
    cloud_locked = models.BooleanField(default=False)
    cloud_seen_at = models.DateTimeField(null=True, blank=True)
    awake_since = models.DateTimeField(null=True, blank=True)

    boot_id = models.CharField(max_length=64, blank=True)
    worker_state = models.CharField(max_length=32, blank=True)
    worker_sentence = models.CharField(max_length=500, blank=True)
    worker_version = models.CharField(max_length=40, blank=True)
    worker_contract = models.PositiveIntegerField(null=True, blank=True)
    worker_kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    worker_seen_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    """The first READY since it was woken."""
    busy_until = models.DateTimeField(null=True, blank=True)
    """When its last job ended, or was claimed."""

    touched_at = models.DateTimeField(null=True, blank=True)
    """Written first by every transaction about the node or its attempts: it is their lock."""

    failures = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    """No new attempt to wake it before this."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CloudOperation(models.Model):
    """One call to the cloud: intended, sent, seen to have worked or not. One at a time per node."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="operations")
    kind = models.CharField(max_length=32)
    cause = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=32, default=OperationOutcome.INTENDED)
    intended_at = models.DateTimeField()
    deadline = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-intended_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["node"],
                condition=Q(outcome__in=sorted(UNRESOLVED)),
                name="one_unresolved_operation_per_node",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.node}"


class NodeEvent(models.Model):
    """Something that happened to a node, for people."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    what = models.CharField(max_length=40)
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.node}: {self.what}"


class LedgerEntry(models.Model):
    """A stretch of billed time and its cause. A node's entries touch: no second is left out."""

    node = models.ForeignKey(Node, models.PROTECT, related_name="ledger")
    cause = models.CharField(max_length=32)
    job = models.ForeignKey("orchestrator.Job", models.SET_NULL, null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["started_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["node"],
                condition=Q(ended_at__isnull=True),
                name="one_open_ledger_entry_per_node",
            )
        ]

    def __str__(self) -> str:
        return f"{self.node}: {self.cause}"


class FleetState(models.Model):
    """The one row about the whole: who ticks, and since when the site has been up.

    `site_up_since`: nodes could reach the main server without a gap since then.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    tick_token = models.CharField(max_length=64, blank=True)
    tick_until = models.DateTimeField(null=True, blank=True)
    tick_again = models.BooleanField(default=False)
    ticked_at = models.DateTimeField(null=True, blank=True)
    site_up_since = models.DateTimeField(null=True, blank=True)
    site_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "fleet state"

    def __str__(self) -> str:
        return "fleet"

"""Nodes: what is wanted of them, what the cloud and their workers say, and what they cost."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from orchestrator.states import UNRESOLVED, CloudStatus, Gate, OperationOutcome, Wanted
from orchestrator.stored_model import StoredModel


class Node(StoredModel):
    """A server of the fleet. Three facts that are never folded into one: wanted, cloud, worker.

    `parked`: a person asked for it to be drained; it stays asleep until released.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(max_length=63, unique=True)
    server_id = models.CharField(max_length=64, blank=True)
    token_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    server_since = models.DateTimeField(null=True, blank=True)
    """Since when it has had this server: what the cloud notes of earlier times is not ours."""

    wanted = models.CharField(max_length=32, default=Wanted.ASLEEP)
    parked = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    gate = models.CharField(max_length=32, default=Gate.OPEN)
    gate_since = models.DateTimeField(null=True, blank=True)
    gate_why = models.CharField(max_length=40, blank=True)
    """Why the gate was closed; some reasons do not let it open again."""
    wake_requested = models.BooleanField(default=False)

    cloud_status = models.CharField(max_length=32, default=CloudStatus.UNKNOWN)
    cloud_task = models.CharField(max_length=64, blank=True)
    cloud_locked = models.BooleanField(default=False)
    cloud_fault = models.CharField(max_length=500, blank=True)
    """What the cloud says is wrong with the server."""
    cloud_seen_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=64, blank=True)
    """Where it is reached over SSH."""
    awake_since = models.DateTimeField(null=True, blank=True)
    """When its waking was asked for, or when we first saw that somebody else had woken it."""
    woken_here = models.BooleanField(default=False)
    """Whether its waking was our doing, whatever has been said of it since."""
    active_since = models.DateTimeField(null=True, blank=True)
    """When it was first seen to run since then."""

    boot_id = models.CharField(max_length=64, blank=True)
    gone_boot = models.CharField(max_length=64, blank=True)
    """The boot that ended when it was last put to sleep: what it says now, it said before."""
    worker_state = models.CharField(max_length=32, blank=True)
    worker_state_since = models.DateTimeField(null=True, blank=True)
    worker_sentence = models.CharField(max_length=500, blank=True)
    worker_version = models.CharField(max_length=40, blank=True)
    worker_contract = models.PositiveIntegerField(null=True, blank=True)
    worker_kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    worker_gpu: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)
    """Use, memory and temperature, as the worker last said."""
    worker_seen_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    """The first READY since it was woken."""
    busy_until = models.DateTimeField(null=True, blank=True)
    """When its last job ended, or was claimed."""

    idle_limit_seconds = models.FloatField(null=True, blank=True)
    """How long it may idle this time, and since when it does: learned once for each time."""
    idle_limit_since = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)
    """Since when an idle worker has been told of work and has not asked for it."""
    restarts = models.PositiveIntegerField(default=0)
    """How often its worker was restarted from here since it was woken."""
    restarted_at = models.DateTimeField(null=True, blank=True)

    settle_after = models.DateTimeField(null=True, blank=True)
    """The cloud's notes were not complete yet: they are not asked for again before this."""

    touched_at = models.DateTimeField(null=True, blank=True)
    """Written first by every transaction about the node or its attempts: it is their lock."""

    failures = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    """No new attempt to wake it before this."""
    lost_jobs: models.JSONField[list[str], list[str]] = models.JSONField(default=list, blank=True)
    """Jobs that were lost here since one last got anywhere."""
    quarantined_until = models.DateTimeField(null=True, blank=True)
    """It takes no job before this."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CloudOperation(StoredModel):
    """One call to the cloud: intended, sent, seen to have worked or not. One at a time per node."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="operations")
    kind = models.CharField(max_length=32)
    cause = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=32, default=OperationOutcome.INTENDED)
    intended_at = models.DateTimeField()
    deadline = models.DateTimeField()
    owner = models.CharField(max_length=64, blank=True)
    """The orchestrator that may make the call, until `send_by`."""
    send_by = models.DateTimeField(null=True, blank=True)
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


class NodeEvent(StoredModel):
    """Something that happened to a node, for people."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    what = models.CharField(max_length=40)
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.node}: {self.what}"


class LedgerEntry(StoredModel):
    """A stretch of billed time and its cause. A node's entries touch: no second is left out."""

    node = models.ForeignKey(Node, models.PROTECT, related_name="ledger")
    server_id = models.CharField(max_length=64, blank=True)
    """The node's server at that time: only that one's notes say anything about it."""
    cause = models.CharField(max_length=32)
    job = models.ForeignKey("orchestrator.Job", models.SET_NULL, null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    price_per_hour = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    """At that time: a new price does not change what was paid."""
    settled = models.BooleanField(default=False)
    """Agreed with what the cloud itself has noted; until then it comes from our looks at it."""

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


class Alert(StoredModel):
    """Something that a person should know of, for as long as it is so. One open per subject."""

    kind = models.CharField(max_length=40)
    node = models.ForeignKey(Node, models.CASCADE, null=True, blank=True, related_name="alerts")
    subject = models.CharField(max_length=80)
    """The node's name, or "fleet"."""
    sentence = models.TextField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-raised_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(cleared_at__isnull=True),
                name="one_open_alert_per_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class FleetState(StoredModel):
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
    cloud_error = models.CharField(max_length=32, blank=True)
    """What kind of trouble there is with the cloud; empty when it answers."""
    cloud_sentence = models.CharField(max_length=500, blank=True)
    cloud_error_since = models.DateTimeField(null=True, blank=True)
    strangers: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, blank=True
    )
    """Servers of the fleet that are no node: their names by id, and how often they were seen."""

    class Meta:
        verbose_name_plural = "fleet state"

    def __str__(self) -> str:
        return "fleet"

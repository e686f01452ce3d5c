"""The orchestrator's rows, for operators to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from campus.theme.admin_base import ReadOnlyAdmin, ReadOnlyInline
from campus.theme.templatetags.campus import badge
from campus.words import span
from orchestrator.models import Attempt, CloudOperation, Job, JobEvent, LedgerEntry, Node, NodeEvent


class AttemptInline(ReadOnlyInline[Attempt]):
    """The tries at a job. Hashes of tokens are nobody's business."""

    model = Attempt
    fields = readonly_fields = (
        "number",
        "node",
        "outcome",
        "claimed_at",
        "ended_at",
        "reason",
        "sentence",
    )


class JobEventInline(ReadOnlyInline[JobEvent]):
    model = JobEvent
    fields = readonly_fields = ("at", "old", "new", "reason", "sentence")
    show_change_link = False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin[Job]):
    list_display = [
        "id",
        "kind",
        "state_shown",
        "labels",
        "created_at",
        "started_at",
        "finished_at",
    ]
    list_filter = ["state", "kind", "reason"]
    search_fields = ["id", "dedupe", "tenant"]
    ordering = ["-created_at"]
    inlines = [AttemptInline, JobEventInline]

    @display(description="About")
    def about(self, job: Job) -> str:
        return ", ".join(str(label) for label in job.labels.values()) or job.kind

    @display(description="State", ordering="state")
    def state_shown(self, job: Job) -> SafeString:
        return badge(job.state)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin[Attempt]):
    list_display = ["job", "number", "node", "outcome_shown", "claimed_at", "ended_at", "reason"]
    list_filter = ["outcome", "node", "reason"]
    list_select_related = ["job", "node"]
    ordering = ["-claimed_at"]
    exclude = ["token_hash", "completion_hash"]

    @display(description="Outcome", ordering="outcome")
    def outcome_shown(self, attempt: Attempt) -> SafeString:
        return badge(attempt.outcome)


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin[Node]):
    list_display = ["name", "wanted", "gate", "cloud_status", "worker_state", "worker_seen_at"]
    list_filter = ["wanted", "cloud_status", "gate"]
    exclude = ["token_hash"]


@admin.register(CloudOperation)
class CloudOperationAdmin(ReadOnlyAdmin[CloudOperation]):
    list_display = ["node", "kind", "outcome", "cause", "intended_at", "resolved_at", "reason"]
    list_filter = ["node", "kind", "outcome"]
    list_select_related = ["node"]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin[LedgerEntry]):
    list_display = ["node", "cause", "started_at", "ended_at", "length", "job"]
    list_filter = ["node", "cause"]
    list_select_related = ["node", "job"]
    date_hierarchy = "started_at"
    ordering = ["-started_at"]

    @display(description="Length")
    def length(self, entry: LedgerEntry) -> str:
        if entry.ended_at is None:
            return "running"
        return span((entry.ended_at - entry.started_at).total_seconds())


@admin.register(NodeEvent)
class NodeEventAdmin(ReadOnlyAdmin[NodeEvent]):
    list_display = ["at", "node", "what", "sentence"]
    list_filter = ["node", "what"]
    list_select_related = ["node"]


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin[JobEvent]):
    list_display = ["at", "job", "old", "new", "reason", "sentence"]
    list_filter = ["new", "reason"]
    list_select_related = ["job"]
    ordering = ["-at", "-id"]

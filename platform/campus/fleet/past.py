"""What nodes did in the span that the page shows, read in two statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from campus.fleet.timeline import TOLD, Billed, Event
from orchestrator.models import LedgerEntry, NodeEvent
from orchestrator.states import Cause

_MOST_EVENTS = 20_000
"""The newest of the span, of all nodes together."""


def ledgers(start: datetime, end: datetime) -> Mapping[UUID, list[Billed]]:
    """Every node's billed time that reaches into the span."""
    rows = LedgerEntry.objects.filter(started_at__lt=end).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=start)
    )
    found: dict[UUID, list[Billed]] = {}
    for node, cause, began, ended, kind, labels in rows.values_list(
        "node_id", "cause", "started_at", "ended_at", "job__kind", "job__labels"
    ):
        label = job_words(kind, labels) if kind else ""
        found.setdefault(node, []).append(Billed(Cause(cause), began, ended, label))
    return found


def events(start: datetime) -> Mapping[UUID, list[Event]]:
    """Every node's events of the span that the picture tells of, the oldest first."""
    rows = NodeEvent.objects.filter(at__gte=start, what__in=TOLD).order_by("-at", "-pk")
    found: dict[UUID, list[Event]] = {}
    latest = rows.values_list("node_id", "at", "what", "sentence")[:_MOST_EVENTS]
    for node, at, what, sentence in reversed(latest):
        found.setdefault(node, []).append(Event(at, what, sentence))
    return found


def job_words(kind: str, labels: Mapping[str, object]) -> str:
    """What a job is about: its lesson and language, else its labels, else its kind."""
    told: Iterable[object] = (labels.get("lesson") or kind, labels.get("language"))
    return ", ".join(str(one) for one in told if one)

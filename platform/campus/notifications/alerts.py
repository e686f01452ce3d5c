"""Tells those who keep the fleet when something is wrong with it, in the alert's transaction."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse

from campus.accounts.roles import Role
from campus.notifications.services import Note, tell_roles
from orchestrator.models import Alert

QUIET = timedelta(hours=1)
"""What comes and goes is told once in so long; the page shows it each time."""


def tell_ops(alert: Alert) -> None:
    """One notice and one e-mail each, when an alert is raised."""
    lately = Alert.objects.filter(
        kind=alert.kind, subject=alert.subject, raised_at__gt=alert.raised_at - QUIET
    )
    if lately.exclude(pk=alert.pk).exists():
        return
    note = Note(
        key=f"alert:{alert.pk}",
        title=f"Fleet: {alert.sentence}",
        text=f"{alert.sentence} ({alert.kind}, since {alert.raised_at:%Y-%m-%d %H:%M} UTC.)",
        path=reverse("fleet:overview"),
    )
    tell_roles([Role.OPS], note, alert.raised_at)

"""Tells those who keep the fleet when something is wrong with it.

At once, in the transaction that raises the alert or changes its sentence. What was told a short
while ago is kept quiet then, and told later if it is still so: a short trouble must not hide a
long one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from campus.accounts.roles import Role
from campus.notifications.models import ToldAlert
from campus.notifications.services import Note, tell_roles
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import Alert

QUIET = timedelta(hours=1)
"""What comes and goes is told once in so long; the page shows it each time."""


def tell_ops(alert: Alert) -> None:
    """One notice and one e-mail each. Called when an alert is raised or says something else."""
    _tell_due([alert], DATABASE_CLOCK.now())


def tell_what_lasts(now: datetime) -> None:
    """Tell what was not told when it began and has not gone away."""
    with transaction.atomic():
        _tell_due(list(Alert.objects.filter(cleared_at__isnull=True)), now)


def _tell_due(alerts: list[Alert], now: datetime) -> None:
    if not alerts:
        return
    told = ToldAlert.objects.select_related("alert").filter(
        Q(alert__in=alerts) | Q(at__gt=now - QUIET)
    )
    for alert, last in _due(alerts, list(told), now):
        note = Note(
            # The same for two who tell it at once, and another for its next sentence.
            key=f"alert:{alert.pk}:{last.pk if last else 0}",
            title=f"Fleet: {alert.sentence}",
            text=f"{alert.sentence} ({alert.kind}, since {alert.raised_at:%Y-%m-%d %H:%M} UTC.)",
            path=reverse("fleet:overview"),
        )
        ToldAlert.objects.create(alert=alert, sentence=alert.sentence, at=now)
        tell_roles([Role.OPS], note, now)


def _due(
    alerts: Iterable[Alert], told: list[ToldAlert], now: datetime
) -> list[tuple[Alert, ToldAlert | None]]:
    """Which to tell now, each with when it was told last. `told`: the oldest first. Pure."""
    lately = {(t.alert.kind, t.alert.subject, t.sentence) for t in told if now - t.at < QUIET}
    last = {t.alert_id: t for t in told}
    return [
        (alert, before)
        for alert in alerts
        if ((before := last.get(alert.pk)) is None or before.sentence != alert.sentence)
        and (alert.kind, alert.subject, alert.sentence) not in lately
    ]

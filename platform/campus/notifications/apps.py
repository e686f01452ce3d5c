"""The Django app, and what it listens to."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "campus.notifications"
    verbose_name = "Notices"

    def ready(self) -> None:
        # Imported here because models cannot be before all apps are known.
        from campus.notifications.alerts import tell_ops
        from orchestrator.alerting import on_alert

        on_alert(tell_ops)

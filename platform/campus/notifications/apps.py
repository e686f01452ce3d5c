"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "campus.notifications"
    verbose_name = "Notices"

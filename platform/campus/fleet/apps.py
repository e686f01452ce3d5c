"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class FleetPagesConfig(AppConfig):
    name = "campus.fleet"
    verbose_name = "Fleet pages"

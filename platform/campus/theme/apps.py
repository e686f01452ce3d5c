"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ThemeConfig(AppConfig):
    name = "campus.theme"
    verbose_name = "Theme"

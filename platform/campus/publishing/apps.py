"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "campus.publishing"
    verbose_name = "Publishing"

"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    name = "campus.review"
    verbose_name = "Review"

"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class CoursesConfig(AppConfig):
    name = "campus.courses"
    verbose_name = "Courses"

"""The Django app, and what it listens to."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class VoiceoversConfig(AppConfig):
    name = "campus.voiceovers"
    verbose_name = "Voiceovers"

    def ready(self) -> None:
        # Imported here because models cannot be before all apps are known.
        from campus.courses.models import Lesson
        from campus.voiceovers.handlers import follow
        from orchestrator.transitions import on_transition

        on_transition(follow)
        pre_delete.connect(_lesson_goes, sender=Lesson, dispatch_uid="voiceovers.lesson_goes")


def _lesson_goes(instance: Any, **_: object) -> None:
    """Inside the transaction of the deletion."""
    from campus.voiceovers.services import lesson_goes
    from orchestrator.clock import DATABASE_CLOCK

    lesson_goes(instance, DATABASE_CLOCK.now())

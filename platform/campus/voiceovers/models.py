"""Voiceovers, their lines, and what happened to them."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from campus.courses.models import Lesson
from campus.voiceovers.states import LABELS, VoiceoverState
from orchestrator.models import Job


class Voiceover(models.Model):
    """A lesson's dub in one language, with the job that makes (or made) it.

    There is one per lesson and language: made again, it gets a new job. `lesson` is empty once the
    lesson was deleted; the titles are kept for people who look back. `withheld`: somebody took it
    off the video host, and it is not published until somebody says so.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lesson = models.ForeignKey(
        Lesson, models.SET_NULL, null=True, blank=True, related_name="voiceovers"
    )
    lesson_title = models.CharField(max_length=200)
    course_title = models.CharField(max_length=200)
    source_language = models.CharField(max_length=16)
    target_language = models.CharField(max_length=16)
    job = models.ForeignKey(Job, models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=32,
        default=VoiceoverState.QUEUED,
        choices=[(state.value, label) for state, label in LABELS.items()],
    )
    reason = models.CharField(max_length=40, blank=True)
    sentence = models.TextField(blank=True)
    withheld = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    summary: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["lesson", "target_language"], name="one_voiceover_per_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.lesson_title} ({self.target_language})"

    @property
    def current_state(self) -> VoiceoverState:
        return VoiceoverState(self.state)


class VoiceoverEvent(models.Model):
    """A voiceover's change of state: who, when, why."""

    voiceover = models.ForeignKey(Voiceover, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    old = models.CharField(max_length=32, blank=True)
    new = models.CharField(max_length=32)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.voiceover}: {self.old} → {self.new}"


class Utterance(models.Model):
    """One line of the dub as it was made. `key` is its permanent id within the lesson.

    A line with a `blocker` is not in the dub: the original is heard there, and a person has to say
    that this is all right (`keep_original`).
    """

    voiceover = models.ForeignKey(Voiceover, models.CASCADE, related_name="utterances")
    key = models.CharField(max_length=40)
    start = models.FloatField()
    end = models.FloatField()
    source = models.TextField(blank=True)
    target = models.TextField(blank=True)
    placed_at = models.FloatField(null=True, blank=True)
    rate = models.FloatField(null=True, blank=True)
    lateness = models.FloatField(null=True, blank=True)
    blocker = models.CharField(max_length=40, blank=True)
    sentence = models.TextField(blank=True)
    keep_original = models.BooleanField(default=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["start", "id"]
        constraints = [
            models.UniqueConstraint(fields=["voiceover", "key"], name="utterance_key"),
            models.CheckConstraint(
                condition=Q(keep_original=False) | ~Q(blocker=""), name="only_blockers_are_decided"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.voiceover}: {self.key}"

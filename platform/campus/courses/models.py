"""Courses, their lessons, and what happened to them."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models

from campus.courses.states import EDITABLE, LABELS, CourseState
from gpu_node.contracts.blobs import Blob
from orchestrator.models import StoredBlob

TITLE_LENGTH = 200
FILE_NAME_LENGTH = 255
CURRENCIES = ["EUR", "USD", "RUB"]


class Course(models.Model):
    """A partner's course. `held_back`: an admin took it off sale, and has to put it back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="courses")
    title = models.CharField(max_length=TITLE_LENGTH)
    description = models.TextField(blank=True, max_length=5000)
    source_language = models.CharField(max_length=16)
    price = models.DecimalField(
        max_digits=9, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(
        max_length=3, default="EUR", choices=[(code, code) for code in CURRENCIES]
    )
    state = models.CharField(
        max_length=32,
        default=CourseState.DRAFT,
        choices=[(state.value, label) for state, label in LABELS.items()],
    )
    held_back = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title

    @property
    def current_state(self) -> CourseState:
        return CourseState(self.state)

    @property
    def editable(self) -> bool:
        return self.current_state in EDITABLE


class Lesson(models.Model):
    """One video of a course. `media` is what was found in the file (contracts.media.MediaInfo)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    course = models.ForeignKey(Course, models.CASCADE, related_name="lessons")
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=TITLE_LENGTH)
    file_name = models.CharField(max_length=FILE_NAME_LENGTH)
    video = models.ForeignKey(StoredBlob, models.PROTECT, related_name="+")
    video_suffix = models.CharField(max_length=9, blank=True)
    duration = models.FloatField(help_text="Seconds.")
    media: models.JSONField[Any, Any] = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["position", "created_at"]

    def __str__(self) -> str:
        return self.title

    def video_blob(self) -> Blob:
        return Blob(digest=self.video_id, size=self.video.size, suffix=self.video_suffix)


class LessonSubtitles(models.Model):
    """Subtitles that the partner gave: in the lesson's own language, or a translation."""

    lesson = models.ForeignKey(Lesson, models.CASCADE, related_name="subtitles")
    language = models.CharField(max_length=16)
    file_name = models.CharField(max_length=FILE_NAME_LENGTH)
    file = models.ForeignKey(StoredBlob, models.PROTECT, related_name="+")
    suffix = models.CharField(max_length=9, blank=True)
    cues = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["language"]
        verbose_name_plural = "lesson subtitles"
        constraints = [
            models.UniqueConstraint(
                fields=["lesson", "language"], name="one_subtitle_file_per_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.lesson} ({self.language})"

    def blob(self) -> Blob:
        return Blob(digest=self.file_id, size=self.file.size, suffix=self.suffix)


class CourseEvent(models.Model):
    """A course's change of state: who, when, why."""

    course = models.ForeignKey(Course, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    old = models.CharField(max_length=32, blank=True)
    new = models.CharField(max_length=32)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.course}: {self.old} → {self.new}"

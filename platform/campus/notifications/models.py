"""Notices: in the site, and by e-mail."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.db import models

from orchestrator.models import Alert


class Mail(StrEnum):
    """How far the e-mail of a notice is."""

    NONE = "none"
    """Its reader has no address."""
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCLEAR = "unclear"
    """The sender died in the middle: it may have gone out, so it is not sent again."""


class Notice(models.Model):
    """One thing one person is told. `key` names the event: the same one is told once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    key = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    path = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(
        max_length=32, default=Mail.WAITING, choices=[(m.value, m.value) for m in Mail]
    )
    mail_tries = models.PositiveIntegerField(default=0)
    mail_not_before = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="told_once")]
        indexes = [models.Index(fields=["mail", "mail_not_before"], name="notice_mail")]

    def __str__(self) -> str:
        return self.title


class ToldAlert(models.Model):
    """That an alert of the fleet was told with this sentence. The alert is the orchestrator's."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="+")
    sentence = models.TextField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return self.sentence

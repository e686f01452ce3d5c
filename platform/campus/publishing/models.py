"""What is, or was, on the video host."""

from __future__ import annotations

from django.db import models

from campus.publishing.states import PublicationState
from campus.voiceovers.models import Voiceover
from orchestrator.models import Job


class Publication(models.Model):
    """One dub (a voiceover as one job made it) on the video host.

    `claim` and `claimed_until`: which process is talking to the host about it, and until when that
    is believed.
    """

    voiceover = models.ForeignKey(Voiceover, models.PROTECT, related_name="publications")
    job = models.ForeignKey(Job, models.PROTECT, related_name="+")
    host_id = models.CharField(max_length=100, blank=True)
    state = models.CharField(
        max_length=32,
        default=PublicationState.WAITING,
        choices=[(state.value, state.value) for state in PublicationState],
    )
    progress = models.FloatField(default=0.0)
    tries = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField()
    claim = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    sentence = models.TextField(blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["voiceover", "job"], name="one_publication_per_dub")
        ]

    def __str__(self) -> str:
        return str(self.voiceover)

    @property
    def key(self) -> str:
        """What the video host knows this very dub by: uploading it twice is uploading it once."""
        return f"{self.voiceover_id}.{self.job_id}"

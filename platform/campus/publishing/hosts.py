"""The video host of this installation."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from campus.publishing.embedded_host import EmbeddedHost


def video_host() -> EmbeddedHost:
    """The embedded one: the only one so far."""
    return EmbeddedHost(Path(settings.HOST_FOLDER), settings.HOST_PROCESSING_SECONDS)

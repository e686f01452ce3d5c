"""What Celery is asked to do."""

from __future__ import annotations

from celery import shared_task

from campus.courses import uploads
from campus.publishing import services
from campus.publishing.hosts import video_host
from orchestrator.clock import DATABASE_CLOCK


@shared_task(name=services.TICK_TASK)
def tick() -> None:
    """One round of publishing, and a look at what crashes left of files on their way in and out."""
    host = video_host()
    services.tick(host, DATABASE_CLOCK.now)
    host.sweep()
    uploads.sweep()

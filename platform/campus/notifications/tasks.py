"""What Celery is asked to do."""

from __future__ import annotations

from celery import shared_task

from campus.notifications import mailing
from campus.notifications.services import SEND_TASK
from orchestrator.clock import DATABASE_CLOCK


@shared_task(name=SEND_TASK)
def send() -> None:
    """Send the e-mails that are due."""
    mailing.send_waiting(DATABASE_CLOCK.now())

"""What Celery is asked to do."""

from __future__ import annotations

from celery import shared_task

from campus.notifications import alerts, mailing
from campus.notifications.services import SEND_TASK
from orchestrator.clock import DATABASE_CLOCK


@shared_task(name=SEND_TASK)
def send() -> None:
    """Send the e-mails that are due, and write those of alerts that last."""
    now = DATABASE_CLOCK.now()
    mailing.send_waiting(now)
    alerts.tell_what_lasts(now)

"""The main server's queues, and how its own ticks are rung."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction

CONTROL_QUEUE = "control"
"""The orchestrator's ticks."""

SITE_QUEUE = "site"
"""The site's own: publishing, e-mail."""

_EXPIRES_SECONDS = 60

log = logging.getLogger(__name__)


def ring_after_commit(task: str) -> None:
    """Ask for one of the site's ticks as soon as what this transaction writes can be seen."""
    transaction.on_commit(lambda: _ring(task))


def _ring(task: str) -> None:
    try:
        current_app.send_task(task, queue=SITE_QUEUE, expires=_EXPIRES_SECONDS, retry=False)
    except Exception as error:  # whatever the broker does, beat asks again a little later
        log.warning("%s was not rung: %s", task, type(error).__name__)

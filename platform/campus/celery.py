"""The main server's only Celery app: the doorbell of the orchestrator, and the site's own ticks.

Nothing depends on a message: each task reads what is to be done from the database, and beat rings
anyway. A message lost costs at most one period.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.exceptions import OperationalError
from celery.signals import celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campus.settings")

_QUIET_SECONDS = 5.0


class BrokerAway(OperationalError):
    """The broker did not answer a moment ago, so it is not asked again yet."""


class Doorbell(Celery):
    """Waits for a silent broker once, not at each of the several rings of one request."""

    _quiet_until = 0.0

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() < self._quiet_until:
            raise BrokerAway
        try:
            return super().send_task(*args, **kwargs)
        except Exception:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            raise


app = Doorbell("campus")
# Read when first needed: importing `campus` needs no settings.
app.config_from_object("campus.celery_settings")
app.autodiscover_tasks()
# "Current" is a matter of the thread that made the app; a web server's others need a default.
app.set_default()


@celeryd_init.connect
def _be_patient(conf: Any = None, **_: object) -> None:
    """A worker waits for messages; a web request must not wait for Redis."""
    from campus.celery_settings import PATIENT

    conf.broker_transport_options = PATIENT


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Without a receiver Celery would put its own handlers in place of Django's LOGGING."""

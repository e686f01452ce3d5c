"""The end of a node's own log, fetched into the record of an attempt that did not succeed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

from orchestrator.clock import Clock
from orchestrator.errands import Errand, Then
from orchestrator.models import Attempt
from orchestrator.states import LOSSES, AttemptOutcome, CloudStatus

log = logging.getLogger(__name__)

LogOf = Callable[[str, str], str]
"""The end of the worker's log of a node (name, address), or a line that says why there is none."""

_WORTH_A_LOOK = sorted({*LOSSES, AttemptOutcome.FAILED})

_RECENT = timedelta(minutes=10)
"""Later the log is about something else."""

_AT_A_TIME = 4


def fetch(log_of: LogOf, clock: Clock) -> Iterator[Errand]:
    """Errands for attempts that have just failed on nodes that can still be asked."""
    failed = Attempt.objects.filter(
        outcome__in=_WORTH_A_LOOK, log="", ended_at__gte=clock.now() - _RECENT
    )
    for attempt in failed.select_related("node")[:_AT_A_TIME]:
        node = attempt.node
        if node.address and node.cloud_status == CloudStatus.ACTIVE:
            yield _errand(attempt, log_of)


def _errand(attempt: Attempt, log_of: LogOf) -> Errand:
    def ask() -> Then:
        found = log_of(attempt.node.name, attempt.node.address)
        return lambda: _keep(attempt, found)

    return Errand(ask)


def _keep(attempt: Attempt, found: str) -> None:
    Attempt.objects.filter(pk=attempt.pk, log="").update(log=found or "(the log is empty)")

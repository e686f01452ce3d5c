"""Alerts as rows: raised when something begins to be wrong, cleared when it is not any more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from orchestrator import store
from orchestrator.clock import Clock
from orchestrator.models import Alert, FleetState, LedgerEntry, Node
from orchestrator.policy import alerts
from orchestrator.policy.alerts import CloudTrouble, Raised, Stranger
from orchestrator.policy.views import FleetView
from orchestrator.providers.port import CloudErrorKind

log = logging.getLogger(__name__)

Handler = Callable[[Alert], None]
_handlers: list[Handler] = []


def on_alert(handler: Handler) -> None:
    """Have `handler` called when an alert is raised, inside the same transaction."""
    if handler not in _handlers:
        _handlers.append(handler)


def bring_up_to_date(clock: Clock, fleet: FleetView) -> None:
    """Compare what is wrong with what was said to be wrong. Called once per tick."""
    now = clock.now()
    wrong = {(one.kind.value, one.subject): one for one in _wrong(fleet)}
    opened = {(row.kind, row.subject): row for row in Alert.objects.filter(cleared_at__isnull=True)}
    over = [row.pk for key, row in opened.items() if key not in wrong]
    if over:
        Alert.objects.filter(pk__in=over).update(cleared_at=now)
    for key, raised in wrong.items():
        row = opened.get(key)
        if row is None:
            _raise(raised, now)
        elif row.sentence != raised.sentence:
            Alert.objects.filter(pk=row.pk).update(sentence=raised.sentence)


def _raise(raised: Raised, now: datetime) -> None:
    log.warning("alert %s: %s", raised.kind, raised.sentence)
    with store.atomic():
        alert = Alert.objects.create(
            kind=raised.kind,
            subject=raised.subject,
            node=Node.objects.filter(name=raised.subject).first(),
            sentence=raised.sentence,
            raised_at=now,
        )
        for handler in _handlers:
            handler(alert)


def _wrong(fleet: FleetView) -> tuple[Raised, ...]:
    state = FleetState.objects.filter(pk=1).first() or FleetState()
    open_entries = LedgerEntry.objects.filter(ended_at__isnull=True).select_related("node")
    return alerts.alerts(
        fleet,
        _trouble(state),
        {entry.node.name: entry.started_at for entry in open_entries},
        [Stranger(one["name"], one["times"]) for one in state.strangers.values()],
    )


def _trouble(state: FleetState) -> CloudTrouble | None:
    if not state.cloud_error or state.cloud_error_since is None:
        return None
    refused = state.cloud_error == CloudErrorKind.AUTH
    return CloudTrouble(refused, state.cloud_sentence, state.cloud_error_since)

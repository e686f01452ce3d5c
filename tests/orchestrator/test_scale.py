"""A tick asks the database as often for many nodes as for two."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestrator.models import LedgerEntry
from orchestrator.reconciler import Reconciler
from tests.orchestrator.rows import KIND, ManualClock
from tests.support.big_fleet import fill

pytestmark = pytest.mark.django_db


def statements_of_a_tick(nodes: int, queued: int, clock: ManualClock) -> int:
    """Of one in which nothing has changed since the last."""
    with transaction.atomic():
        reconciler = Reconciler(fill(nodes, queued, KIND, clock.now()), clock, lambda: True)
        reconciler.tick()
        assert LedgerEntry.objects.filter(ended_at=None).count() == nodes
        with CaptureQueriesContext(connection) as seen:
            reconciler.tick()
        transaction.set_rollback(True)
    return len(seen)


def test_the_number_of_statements_does_not_grow(clock: ManualClock) -> None:
    few = statements_of_a_tick(2, 5, clock)
    assert few < 50
    assert statements_of_a_tick(60, 500, clock) == few

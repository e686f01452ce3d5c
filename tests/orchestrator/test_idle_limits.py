"""The idle limit that is learned is the one that is kept to, and accounted by."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.ledger import seconds_by_cause, stretches
from orchestrator.models import Attempt, Job, LedgerEntry, Node
from orchestrator.reconciler import Reconciler
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, Gate, JobState
from tests.orchestrator.rows import KIND, ManualClock, beat, enrolled
from tests.support.big_fleet import RunningServers

pytestmark = pytest.mark.django_db


@pytest.fixture
def idling(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose work has always come within half a minute, or not for hours."""
    monkeypatch.setenv("FLEET_IDLE_POLICY", "adaptive")
    fleet_settings.cache_clear()
    node = enrolled("gpu-1", clock, server_id="server-0")
    for number in range(60):
        ended = clock.advance(60)
        job = Job.objects.create(
            kind=KIND,
            payload={},
            state=JobState.SUCCEEDED,
            created_at=ended - timedelta(seconds=50),
            not_before=ended - timedelta(seconds=50),
        )
        Attempt.objects.create(
            job=job,
            node=node,
            number=1,
            token_hash=str(number),
            boot_id="boot-0001",
            outcome=AttemptOutcome.SUCCEEDED,
            claimed_at=ended - timedelta(seconds=40),
            lease_until=ended,
            ended_at=ended,
        )
        clock.advance(20 if number % 3 else 7200)
    Node.objects.update(awake_since=clock.now(), active_since=clock.now())
    node.refresh_from_db()
    beat(node, clock)
    return node


def test_a_node_idles_for_as_long_as_was_learned_and_no_second_of_it_is_a_failure(
    clock: ManualClock, idling: Node
) -> None:
    began = clock.now()
    while Node.objects.get().gate == Gate.OPEN:
        clock.advance(10)
        beat(Node.objects.get(), clock)
        Reconciler(RunningServers(1), clock, lambda: True).tick()
    limit = Node.objects.get().idle_limit_seconds
    assert limit is not None
    assert 120 <= limit < 300, "it has always been either short or very long"
    idled = (clock.now() - began).total_seconds()
    assert limit <= idled <= limit + 10
    spent = seconds_by_cause(stretches(LedgerEntry.objects.all()), began, clock.now())
    assert set(spent) == {Cause.IDLE}


def test_the_limit_does_not_move_while_the_node_idles(clock: ManualClock, idling: Node) -> None:
    for _ in range(3):
        clock.advance(10)
        beat(Node.objects.get(), clock)
        Reconciler(RunningServers(1), clock, lambda: True).tick()
    before = Node.objects.get().idle_limit_seconds
    # Another history, as when another node has learned something in the meantime.
    Attempt.objects.all().delete()
    clock.advance(10)
    beat(Node.objects.get(), clock)
    Reconciler(RunningServers(1), clock, lambda: True).tick()
    assert Node.objects.get().idle_limit_seconds == before

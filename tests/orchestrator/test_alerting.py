"""Alerts as rows: one while it is so, and a word to whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator import alerting
from orchestrator.models import Alert, Node
from orchestrator.policy.alerts import AlertKind
from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus
from tests.orchestrator.rows import ManualClock
from tests.support.big_fleet import RunningServers

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard() -> Iterator[list[str]]:
    kinds: list[str] = []

    def note(alert: Alert) -> None:
        kinds.append(alert.kind)

    alerting.on_alert(note)
    yield kinds
    alerting._handlers.remove(note)


def tick(clock: ManualClock, servers: int = 0) -> None:
    Reconciler(RunningServers(servers), clock, lambda: True).tick()
    clock.advance(10)


def test_an_alert_is_raised_once_and_cleared_when_it_is_over(
    clock: ManualClock, node: Node, heard: list[str]
) -> None:
    for _ in range(3):
        tick(clock)
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == (AlertKind.SERVER_GONE, "gpu-1")
    assert alert.node == node
    assert heard == [AlertKind.SERVER_GONE]
    Node.objects.update(server_id="server-0")
    tick(clock, servers=1)
    alert.refresh_from_db()
    assert alert.cleared_at is not None
    assert Node.objects.get().cloud_status == CloudStatus.ACTIVE


def test_what_happens_again_is_said_again(clock: ManualClock, node: Node, heard: list[str]) -> None:
    tick(clock)
    Node.objects.update(server_id="server-0")
    tick(clock, servers=1)
    Node.objects.update(server_id="server-1")
    tick(clock, servers=1)
    assert heard.count(AlertKind.SERVER_GONE) == 2
    assert Alert.objects.filter(cleared_at=None).count() == 1


def test_a_server_that_is_no_node_is_mentioned_when_it_is_seen_again(
    clock: ManualClock, heard: list[str]
) -> None:
    """Reported first: nothing is ever done to a server that nobody has enrolled."""
    tick(clock, servers=1)
    assert heard == []
    tick(clock, servers=1)
    assert heard == [AlertKind.SERVER_UNKNOWN]
    assert "gpu-0000" in Alert.objects.get().sentence
    Node.objects.create(name="gpu-0000", created_at=clock.now())
    tick(clock, servers=1)
    assert Node.objects.get().server_id == "server-0"
    assert not Alert.objects.filter(cleared_at=None).exists()


def test_one_that_was_there_for_a_moment_is_not(clock: ManualClock, heard: list[str]) -> None:
    for servers in (1, 0, 1, 0):
        tick(clock, servers)
    assert heard == []

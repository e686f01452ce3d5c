"""Alerts as rows: one while it is so, and a word to whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from orchestrator import alerting
from orchestrator.models import Alert, Node
from orchestrator.policy.alerts import AlertKind
from orchestrator.providers.port import CloudError, CloudErrorKind, ServerFacts
from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus, Gate
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


class OneServer(RunningServers):
    """It has one server, takes requests to shelve it, and may be in trouble."""

    def __init__(self, server_id: str, name: str) -> None:
        super().__init__(0)
        self.trouble: CloudErrorKind | None = None
        self.asked: list[str] = []
        self._one = ServerFacts(server_id, name, CloudStatus.ACTIVE, None, False)

    def list(self) -> Sequence[ServerFacts]:
        if self.trouble is not None:
            raise CloudError(self.trouble, str(self.trouble))
        return [self._one]

    def shelve(self, server_id: str) -> str:
        self.asked.append(server_id)
        return "req-1"


def ticks(cloud: OneServer, clock: ManualClock, count: int) -> None:
    for _ in range(count):
        Reconciler(cloud, clock, lambda: True).tick()
        clock.advance(10)


def test_a_stranger_with_a_long_name_stops_nobody(
    clock: ManualClock, node: Node, heard: list[str]
) -> None:
    """The cloud allows 255 characters, our column 80: no tick got as far as a call."""
    ticks(OneServer("of-nobody", "x" * 255), clock, 3)
    assert heard.count(AlertKind.SERVER_UNKNOWN) == 1


def test_what_is_only_told_keeps_no_server_from_being_shelved(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(alerting, "bring_up_to_date", fails)
    cloud = OneServer("server-gpu-1", "gpu-1")
    Node.objects.update(gate=Gate.STOPPING, gate_since=clock.now())
    clock.advance(60)
    ticks(cloud, clock, 1)
    assert cloud.asked == ["server-gpu-1"]


def test_a_cloud_that_refuses_us_is_said_although_it_was_away_before(
    clock: ManualClock, node: Node, heard: list[str]
) -> None:
    """The open alert went on saying that it does not answer: the balance was empty."""
    cloud = OneServer("server-gpu-1", "gpu-1")
    cloud.trouble = CloudErrorKind.TRANSIENT
    ticks(cloud, clock, 60)
    assert heard == [AlertKind.CLOUD]
    cloud.trouble = CloudErrorKind.AUTH
    ticks(cloud, clock, 1)
    assert heard == [AlertKind.CLOUD, AlertKind.CLOUD_REFUSES]
    assert Alert.objects.get(cleared_at=None).sentence == "auth"

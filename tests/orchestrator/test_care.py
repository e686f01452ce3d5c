"""Servers that run are marked for the guards, once, and the cloud's refusal hurts nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from orchestrator import fleet_control
from orchestrator.care import missing
from orchestrator.models import Node
from orchestrator.providers.port import CloudError, CloudErrorKind, ServerFacts
from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus
from tests.orchestrator.rows import ManualClock
from tests.support.big_fleet import RunningServers

SERVER = ServerFacts("server-gpu-1", "gpu-1", CloudStatus.ACTIVE, None, False)


class Marked(RunningServers):
    """One server, and what was written on it."""

    def __init__(self, server: ServerFacts) -> None:
        super().__init__(0)
        self.server = server
        self.calls = 0
        self.refuses = False

    def list(self) -> Sequence[ServerFacts]:
        return [self.server]

    def mark(self, server_id: str, metadata: Mapping[str, str]) -> None:
        self.calls += 1
        assert server_id == self.server.server_id
        if self.refuses:
            raise CloudError(CloudErrorKind.CONFLICT, "Not in this state.")
        self.server = replace(self.server, metadata={**self.server.metadata, **metadata})


def tick(cloud: Marked, clock: ManualClock) -> None:
    Reconciler(cloud, clock, lambda: True, mark=cloud.mark).tick()
    clock.advance(10)


@pytest.mark.django_db
def test_a_server_that_runs_is_marked_once(clock: ManualClock, node: Node) -> None:
    cloud = Marked(replace(SERVER, metadata={"owner": "ada"}))
    cloud.refuses = True
    tick(cloud, clock)
    cloud.refuses = False
    for _ in range(2):
        tick(cloud, clock)
    assert cloud.server.metadata == {"owner": "ada", "dubfleet": "1", "dubfleet_node": "gpu-1"}
    assert cloud.calls == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"status": CloudStatus.SHELVED_OFFLOADED},
        {"task_state": "shelving"},
        {"locked": True},
        {"server_id": "of-nobody", "name": "stranger"},
    ],
    ids=str,
)
def test_others_are_left_alone(clock: ManualClock, node: Node, changes: dict[str, object]) -> None:
    cloud = Marked(replace(SERVER, **changes))  # type: ignore[arg-type]  # the table's values fit
    tick(cloud, clock)
    assert cloud.calls == 0


@pytest.mark.django_db
def test_a_held_node_is_held_for_the_guards_too(clock: ManualClock, node: Node) -> None:
    """Without that the switch would shelve it at its maximum of uptime, with its job."""
    cloud = Marked(SERVER)
    tick(cloud, clock)
    fleet_control.hold(node, "ops", clock.now())
    tick(cloud, clock)
    assert cloud.server.metadata["dubfleet_hold"]
    fleet_control.release(node, "ops", clock.now())
    for _ in range(2):
        tick(cloud, clock)
    assert cloud.server.metadata["dubfleet_hold"] == ""
    assert cloud.calls == 3


def test_a_hold_that_a_person_wrote_on_the_server_stays() -> None:
    by_hand = {"dubfleet": "1", "dubfleet_node": "gpu-1", "dubfleet_hold": "ada looks at it"}
    server = replace(SERVER, metadata=by_hand)
    assert not missing(server, "gpu-1", "", held=False)
    assert not missing(server, "gpu-1", "", held=True)


def test_the_fleets_own_tag_is_the_mark() -> None:
    wanted = {"team": "dubs", "dubfleet_node": "gpu-1"}
    assert missing(SERVER, "gpu-1", "team = dubs", held=False) == wanted
    assert not missing(replace(SERVER, metadata=wanted), "gpu-1", "team=dubs", held=False)

"""The guards against a real Nova: what they see of it, ask for, and are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import HttpException

from gpu_node.contracts.pulse import HOLD_METADATA, NODE_METADATA
from gpu_node.contracts.watch import Instant
from gpu_node.guard import cloud as guard_cloud
from gpu_node.guard.run import Guard
from gpu_node.guard.verdict import Memory as GuardMemory
from gpu_node.guard.verdict import Sight
from orchestrator.deadman.cloud import CloudAway, open_cloud
from orchestrator.deadman.facts import RedisFacts, ServerFacts
from orchestrator.deadman.run import Switch
from orchestrator.deadman.tags import Tag, tag_server
from orchestrator.deadman.verdict import Rules
from tests.cloud.credentials import limited
from tests.cloud.loopback.knobs import ApiFault
from tests.cloud.running import FLEET, TAG, Cloud, wait_for

pytestmark = pytest.mark.cloud

OURS = Tag.parse(TAG)


def facts(server: str) -> ServerFacts:
    found = open_cloud(FLEET, OURS).server(server)
    assert found is not None
    return found


@dataclass
class Desk:
    """A switch whose clock is set forward, with no word from Redis: only the uptime counts."""

    state: Path
    minutes: float = 0.0

    def look(self, minutes: float = 1.0) -> bool:
        self.minutes += minutes
        switch = Switch(
            cloud=open_cloud(FLEET, OURS),
            pulses=self._silence,
            state=self.state,
            rules=Rules(12 * 3600.0),
            now=lambda: Instant("boot", 1000.0 + self.minutes * 60),
        )
        return switch.look()

    def _silence(self, _: Iterable[str]) -> RedisFacts | None:
        return None


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "memory.json")


def test_a_server_is_seen_as_it_is(cloud: Cloud) -> None:
    server = cloud.create("gpu-1", asleep=False)
    seen = facts(server)
    assert seen.wake is not None
    assert seen.wake.seconds_ago is not None
    assert seen.wake.seconds_ago < 60
    expected = ServerFacts(server, "gpu-1", "gpu-1", "ACTIVE", None, False, False, seen.wake)
    assert seen == expected

    cloud.admin.compute.lock_server(server)
    cloud.admin.compute.set_server_metadata(server, **{HOLD_METADATA: "mine"})
    kept = facts(server)
    assert replace(kept, wake=seen.wake) == replace(expected, locked=True, held=True)


def test_each_unshelving_is_another_waking_and_a_failed_one_wakes_nobody(cloud: Cloud) -> None:
    server = cloud.create("gpu-1", asleep=False)
    first = facts(server).wake
    cloud.admin.compute.shelve_server(server)
    cloud.until(server, "SHELVED_OFFLOADED")
    assert facts(server).wake is None
    cloud.full()
    cloud.admin.compute.unshelve_server(server)
    cloud.until(server, "SHELVED_OFFLOADED")
    assert facts(server).asleep
    cloud.full(False)
    cloud.admin.compute.unshelve_server(server)
    cloud.until(server, "ACTIVE")
    second = facts(server).wake
    assert first is not None
    assert second is not None
    assert first.request_id != second.request_id
    assert second.seconds_ago is not None
    assert second.seconds_ago < 60


def test_a_server_that_is_awake_for_too_long_is_shelved_once(cloud: Cloud, desk: Desk) -> None:
    server = cloud.create("gpu-1", asleep=False)
    before = len(cloud.posts(server))
    desk.look()
    desk.look(13 * 60)
    assert len(cloud.posts(server)) == before
    desk.look()
    cloud.until(server, "SHELVED_OFFLOADED")
    for _ in range(10):
        desk.look()
    assert [what for what, _ in cloud.posts(server)[before:]] == ["shelve"]


def test_a_shelving_that_fails_is_asked_for_again(cloud: Cloud, desk: Desk) -> None:
    server = cloud.create("gpu-1", asleep=False)
    before = len(cloud.posts(server))
    cloud.knobs(snapshot_fault_count=1)
    desk.look()
    desk.look(14 * 60)
    wait_for(lambda: cloud.status(server) == ("ACTIVE", None))
    desk.look()
    assert len(cloud.posts(server)) == before + 1, "not at once"
    desk.look(5)
    cloud.until(server, "SHELVED_OFFLOADED")
    assert [what for what, _ in cloud.posts(server)[before:]] == ["shelve", "shelve"]


def test_a_request_whose_answer_was_lost_is_not_repeated(cloud: Cloud, desk: Desk) -> None:
    server = cloud.create("gpu-1", asleep=False)
    before = len(cloud.posts(server))
    desk.look()
    cloud.knobs(
        api_fault=ApiFault.DROP_AFTER,
        api_fault_count=1,
        api_fault_method="POST",
        api_fault_path="/action",
    )
    assert not desk.look(14 * 60)
    for _ in range(10):
        desk.look()
    cloud.until(server, "SHELVED_OFFLOADED")
    assert [what for what, _ in cloud.posts(server)[before:]] == ["shelve"]


def test_a_lock_a_hold_and_a_missing_tag_are_honoured(cloud: Cloud, desk: Desk) -> None:
    locked = cloud.create("gpu-1", asleep=False)
    held = cloud.create("gpu-2", asleep=False)
    others = cloud.create("gpu-3", asleep=False, tag="of=others")
    cloud.admin.compute.lock_server(locked)
    cloud.admin.compute.set_server_metadata(held, **{HOLD_METADATA: "mine"})
    desk.look()
    desk.look(20 * 60)
    desk.look()
    assert {cloud.status(one) for one in (locked, held, others)} == {("ACTIVE", None)}


def test_a_lock_stops_the_request_itself(cloud: Cloud) -> None:
    """Were it set between our last look and the request."""
    server = cloud.create("gpu-1", asleep=False)
    cloud.admin.compute.lock_server(server)
    with pytest.raises(CloudAway, match="ConflictException 409"):
        open_cloud(FLEET, OURS).shelve(server)
    assert cloud.status(server) == ("ACTIVE", None)


def test_registration_gives_a_server_into_its_care_while_it_is_awake(cloud: Cloud) -> None:
    """Nova takes no metadata for a server that is offloaded."""
    server = cloud.create("gpu-1", tag="of=one")
    connection = open_cloud(FLEET, OURS).connection
    assert not tag_server(connection, server, "node-1", TAG)
    assert open_cloud(FLEET, OURS).server(server) is None
    cloud.admin.compute.unshelve_server(server)
    cloud.until(server, "ACTIVE")
    assert tag_server(connection, server, "node-1", TAG)
    assert facts(server).node == "node-1"
    metadata = cloud.admin.compute.get_server(server).metadata
    assert metadata == {"of": "one", OURS.key: OURS.value, NODE_METADATA: "node-1"}


def test_a_node_puts_its_own_server_to_sleep(cloud: Cloud, tmp_path: Path) -> None:
    server, other = cloud.create("gpu-1", asleep=False), cloud.create("gpu-2", asleep=False)
    state = tmp_path / "guard.json"
    state.write_text(GuardMemory(boot="boot", looked=1940.0, gone_since=100.0).model_dump_json())
    guard = Guard(
        sight=lambda: Sight(site=False, redis=False, worker=False, pulse=None),
        cloud=lambda: guard_cloud.open_cloud(FLEET, server),
        state=state,
        max_uptime_seconds=1e6,
        now=lambda: Instant("boot", 2000.0),
    )
    assert guard.look()
    cloud.until(server, "SHELVED_OFFLOADED")
    assert cloud.status(other) == ("ACTIVE", None)


RULES = (("GET", ""), ("GET", "/os-instance-actions"), ("POST", "/action"))
"""What docs/security.md gives to the credential of a node's guard, below its own server's path."""


@pytest.fixture
def restricted(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that is awake, and in clouds.yaml the entry `guard`, limited to that server."""
    server = cloud.create("gpu-1", asleep=False)
    clouds = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    rules = [(method, f"/{server}{end}") for method, end in RULES]
    with limited(cloud, "guard", rules, clouds):
        yield server


def test_three_access_rules_are_enough_and_reach_no_other_server(
    cloud: Cloud, restricted: str
) -> None:
    other = cloud.create("gpu-2", asleep=False)
    for ask in (guard_cloud.Cloud.server, guard_cloud.Cloud.shelve):
        with pytest.raises(guard_cloud.CloudAway, match="401"):
            ask(guard_cloud.open_cloud("guard", other))
    own = guard_cloud.open_cloud("guard", restricted)
    seen = own.server()
    assert (seen.status, seen.task_state, seen.locked, seen.held) == ("ACTIVE", None, False, False)
    assert own.last_action().startswith(("create", "unshelve"))
    own.shelve()
    cloud.until(restricted, "SHELVED_OFFLOADED")
    assert cloud.status(other) == ("ACTIVE", None)


def test_access_rules_cannot_tell_shelving_from_other_actions_nor_allow_more(
    cloud: Cloud, restricted: str
) -> None:
    """As the security page says."""
    compute = guard_cloud.open_cloud("guard", restricted).connection.compute
    compute.stop_server(restricted)
    cloud.until(restricted, "SHUTOFF")
    compute.lock_server(restricted)
    compute.unlock_server(restricted)
    for forbidden in (
        lambda: compute.delete_server(restricted),
        lambda: list(compute.servers()),
        lambda: compute.set_server_metadata(restricted, **{HOLD_METADATA: ""}),
    ):
        with pytest.raises((HttpException, ClientException), match=r"401|authentication"):
            forbidden()
    assert cloud.status(restricted) == ("SHUTOFF", None)

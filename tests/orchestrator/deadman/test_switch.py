"""The switch with a real Redis, the real openstacksdk and a cloud on the loopback.

Its clock is the test's; Redis's own age is taken to have passed with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis as redis_client

from gpu_node.contracts.pulse import HOLD_METADATA, NODE_METADATA, NodePulse, node_key
from gpu_node.contracts.watch import LOOK_SECONDS, Instant, read_memory
from orchestrator import pulse
from orchestrator.deadman import cloud as cloud_module
from orchestrator.deadman.cloud import Cloud, open_cloud
from orchestrator.deadman.facts import RedisFacts
from orchestrator.deadman.memory import Memory
from orchestrator.deadman.pulses import read_pulses
from orchestrator.deadman.run import Switch
from orchestrator.deadman.tags import Tag, is_in_care, tag_server
from orchestrator.deadman.verdict import Rules
from tests.orchestrator.deadman.nova import FakeServer, Misbehaviour, Nova
from tests.support.redis import RedisServer

MINUTE = 60.0
LONG = timedelta(hours=14)


@dataclass
class Desk:
    """The switch, its clock, and those who write pulses."""

    nova: Nova
    redis: RedisServer
    state: Path
    seconds: float = 1000.0
    beat: int = 0
    dry: bool = False
    cloud: Cloud = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = open_cloud("guard", Tag("dubfleet", "1"))

    def look(self) -> bool:
        return Switch(
            cloud=self.cloud,
            pulses=self._pulses,
            state=self.state,
            rules=Rules(12 * 3600.0),
            now=lambda: Instant("boot", self.seconds),
            dry=self.dry,
        ).look()

    def pass_minutes(self, minutes: int, *, ticks: bool = False, node: str | None = "gpu-1") -> int:
        """Look once in each; how many requests to shelve there were."""
        before = len(self.nova.posts())
        for _ in range(minutes):
            self.seconds += MINUTE
            if ticks:
                assert pulse.beat(self.redis.url)
            if node is not None:
                self.node_beats(node)
            self.look()
        return len(self.nova.posts()) - before

    def node_beats(self, name: str = "gpu-1", job: str | None = None) -> None:
        self.beat += 1
        said = NodePulse(
            boot_id="boot-of-the-worker",
            beat=self.beat,
            at=datetime.now(UTC),
            node=name,
            busy=job is not None,
            job=job,
        )
        self.client.set(node_key(name), said.model_dump_json())

    @property
    def client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.redis.url)

    def _pulses(self, nodes: Iterable[str]) -> RedisFacts | None:
        found = read_pulses(self.redis.url, nodes)
        return found and replace(found, uptime_seconds=found.uptime_seconds + self.seconds)


@pytest.fixture
def desk(nova: Nova, redis: RedisServer, tmp_path: Path) -> Desk:
    return Desk(nova, redis, tmp_path / "state" / "memory.json")


@pytest.fixture
def watched(desk: Desk) -> Desk:
    """An idle server, and a controller that has ticked for the last time."""
    desk.state.parent.mkdir()
    desk.nova.boot("gpu-1")
    desk.pass_minutes(3, ticks=True)
    return desk


def test_an_abandoned_server_is_put_to_sleep_once(watched: Desk) -> None:
    assert watched.pass_minutes(29) == 0
    assert watched.pass_minutes(5) == 1
    [server] = watched.nova.servers.values()
    assert server.status == "SHELVED_OFFLOADED"
    assert watched.look()


def test_a_server_that_the_controller_minds_is_left_alone(watched: Desk) -> None:
    assert watched.pass_minutes(40, ticks=True) == 0


def test_a_job_keeps_it_awake(watched: Desk) -> None:
    for _ in range(40):
        watched.node_beats(job="job-1")
        assert watched.pass_minutes(1, node=None) == 0


def test_a_job_that_begins_between_the_look_and_the_request_is_seen(
    watched: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.pass_minutes(29)
    reads: list[int] = []
    real = watched._pulses

    def pulses(nodes: Iterable[str]) -> RedisFacts | None:
        if reads:
            watched.node_beats(job="job-1")
        reads.append(1)
        return real(nodes)

    monkeypatch.setattr(watched, "_pulses", pulses)
    assert watched.pass_minutes(1) == 0
    assert len(reads) == 2


def test_an_emptied_redis_leaves_only_the_uptime(watched: Desk) -> None:
    watched.pass_minutes(20)
    watched.client.flushall()
    assert watched.pass_minutes(60) == 0


def test_a_restarted_redis_begins_the_watch_anew(watched: Desk) -> None:
    watched.pass_minutes(29)
    watched.redis.kill()
    watched.redis.start()
    assert watched.pass_minutes(30) == 0
    assert watched.pass_minutes(2) == 1


def test_an_unreachable_redis_leaves_only_the_uptime(watched: Desk) -> None:
    watched.pass_minutes(20)
    watched.redis.kill()
    assert watched.pass_minutes(20, node=None) == 0
    assert not watched.look(), "a person has to look at it"
    watched.nova.boot("gpu-2", awake_for=LONG)
    assert watched.pass_minutes(1, node=None) == 1
    assert {one.name: one.status for one in watched.nova.servers.values()} == {
        "gpu-1": "ACTIVE",
        "gpu-2": "SHELVED_OFFLOADED",
    }


@pytest.mark.parametrize("lost", ["removed", "cut short", "another version", "empty"])
def test_a_lost_memory_begins_the_watch_anew(watched: Desk, lost: str) -> None:
    watched.pass_minutes(29)
    whole = watched.state.read_text()
    if lost == "removed":
        watched.state.unlink()
    else:
        written = {
            "cut short": whole[:-7],
            "another version": whole.replace('"contract_version":1', '"contract_version":2'),
            "empty": "",
        }
        assert written[lost] != whole
        watched.state.write_text(written[lost])
    assert watched.pass_minutes(30) == 0
    assert watched.pass_minutes(1) == 1


def test_a_memory_that_cannot_be_written_asks_for_nothing(desk: Desk) -> None:
    desk.state.parent.mkdir()
    desk.state.mkdir()
    desk.nova.boot("gpu-1", awake_for=LONG)
    with pytest.raises(OSError, match="directory"):
        desk.look()
    assert desk.nova.posts() == []


def test_the_actions_are_read_before_every_request(watched: Desk) -> None:
    [server] = watched.nova.servers.values()
    server.shelving_fails = True
    assert watched.pass_minutes(45) == 4
    calls = watched.nova.requests
    posts = [n for n, (method, _) in enumerate(calls) if method == "POST"]
    for post in posts:
        assert calls[post - 1] == ("GET", f"/v2.1/servers/{server.id}/os-instance-actions")
        assert calls[post - 2] == ("GET", f"/v2.1/servers/{server.id}")


def test_a_server_that_falls_back_is_asked_again_and_then_told(watched: Desk) -> None:
    [server] = watched.nova.servers.values()
    watched.pass_minutes(30)
    server.status, server.task_state = "ACTIVE", "shelving_image_uploading"
    assert watched.pass_minutes(10) == 0
    server.status, server.task_state = "SHUTOFF", None
    assert watched.pass_minutes(1) == 1
    assert server.status == "SHELVED_OFFLOADED"


def test_a_request_whose_answer_was_lost_is_not_repeated(
    watched: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    watched.pass_minutes(29)
    watched.nova.misbehaviour["POST", "/action"] = Misbehaviour.LOSE
    assert watched.pass_minutes(1) == 1
    assert "without an answer" in caplog.text
    watched.nova.misbehaviour.clear()
    assert watched.pass_minutes(10) == 0


def test_a_cloud_that_does_not_answer_is_given_up(
    watched: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_module, "_TIMEOUT", 0.3)
    for hangs in ("/detail", "/os-instance-actions", "/auth/tokens"):
        watched.nova.misbehaviour = {
            ("GET", hangs): Misbehaviour.HANG,
            ("POST", hangs): Misbehaviour.HANG,
        }
        watched.cloud = open_cloud("guard", Tag("dubfleet", "1"))
        assert not watched.look()


def hang_lists(desk: Desk, servers: Iterable[FakeServer]) -> None:
    for one in servers:
        desk.nova.misbehaviour["GET", f"{one.id}/os-instance-actions"] = Misbehaviour.HANG


def test_lists_that_hang_keep_nobody_elses_from_being_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_module, "_TIMEOUT", 1.0)
    desk.cloud = open_cloud("guard", Tag("dubfleet", "1"))
    servers = [desk.nova.boot(f"gpu-{number}", awake_for=LONG) for number in range(20)]
    hang_lists(desk, servers[:12])
    desk.state.parent.mkdir()
    began = time.monotonic()
    assert not desk.look(), "a person has to look at it"
    assert time.monotonic() - began < 10.0, "they were waited for one after the other"
    assert [one.status for one in servers] == ["ACTIVE"] * 12 + ["SHELVED_OFFLOADED"] * 8


def test_all_lists_together_have_one_deadline(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cloud_module, "_LISTS_SECONDS", 1.0)
    monkeypatch.setattr(cloud_module, "_TIMEOUT", 5.0)
    desk.cloud = open_cloud("guard", Tag("dubfleet", "1"))
    servers = [desk.nova.boot(f"gpu-{number}", awake_for=LONG) for number in range(20)]
    hang_lists(desk, servers)
    desk.state.parent.mkdir()
    desk.cloud.connection.compute.get("/servers/detail")  # what the SDK has to find out first
    began = time.monotonic()
    assert not desk.look(), "a person has to look at it"
    assert time.monotonic() - began < 4.0
    assert "20 lists of actions did not come in time" in caplog.text
    assert read_memory(Memory, desk.state) is not None
    desk.nova.over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("actions"):
            thread.join(10)


def test_all_that_hang_for_as_long_as_the_sdk_waits_leave_time_for_the_rest() -> None:
    """Of the alarm: the servers, Redis and the requests come before and after the lists."""
    assert cloud_module._LISTS_SECONDS + cloud_module._TIMEOUT <= LOOK_SECONDS / 2


def test_a_cloud_that_is_away_for_a_moment_does_not_end_the_watch(watched: Desk) -> None:
    watched.pass_minutes(20)
    watched.nova.misbehaviour["GET", "/detail"] = Misbehaviour.BREAK
    watched.pass_minutes(3)
    watched.nova.misbehaviour.clear()
    assert watched.pass_minutes(6) == 0
    assert watched.pass_minutes(1) == 1


def test_nothing_is_asked_when_the_actions_cannot_be_read(watched: Desk) -> None:
    watched.nova.misbehaviour["GET", "/os-instance-actions"] = Misbehaviour.BREAK
    assert watched.pass_minutes(40) == 0
    assert not watched.look()


def test_an_emptied_redis_is_told_of_when_nobody_writes_to_it_again(watched: Desk) -> None:
    watched.client.flushall()
    watched.pass_minutes(20)
    assert watched.look()
    watched.pass_minutes(15)
    assert not watched.look(), "a person has to look at it"
    assert watched.nova.posts() == []


def test_a_list_of_actions_that_fails_now_and_then_does_not_end_the_watch(watched: Desk) -> None:
    watched.pass_minutes(20)
    watched.nova.misbehaviour["GET", "/os-instance-actions"] = Misbehaviour.BREAK
    watched.pass_minutes(1)
    watched.nova.misbehaviour.clear()
    assert watched.pass_minutes(8) == 0
    assert watched.pass_minutes(1) == 1


def lock(server: FakeServer) -> None:
    server.locked = True


def hold(server: FakeServer) -> None:
    server.metadata[HOLD_METADATA] = "until Friday"


def untag(server: FakeServer) -> None:
    del server.metadata["dubfleet"]


def tag_of_others(server: FakeServer) -> None:
    server.metadata["dubfleet"] = "2"


def put_to_sleep(server: FakeServer) -> None:
    server.status = "SHELVED_OFFLOADED"


def begin_a_task(server: FakeServer) -> None:
    server.task_state = "shelving"


@pytest.mark.parametrize("act", [lock, hold, untag, tag_of_others, put_to_sleep, begin_a_task])
def test_what_a_person_or_another_program_has_done_is_honoured(desk: Desk, act: object) -> None:
    server = desk.nova.boot("gpu-1", awake_for=LONG)
    assert callable(act)
    act(server)
    desk.state.parent.mkdir()
    assert desk.pass_minutes(3) == 0


@pytest.mark.parametrize("act", [lock, hold, untag, put_to_sleep, begin_a_task])
def test_also_when_it_was_done_a_moment_before_the_request(desk: Desk, act: object) -> None:
    server = desk.nova.boot("gpu-1", awake_for=LONG)
    desk.state.parent.mkdir()

    def meddle(nodes: Iterable[str]) -> RedisFacts | None:
        assert callable(act)
        act(server)
        return None

    Switch(
        cloud=desk.cloud,
        pulses=meddle,
        state=desk.state,
        rules=Rules(12 * 3600.0),
        now=lambda: Instant("boot", desk.seconds),
    ).look()
    assert desk.nova.posts() == []


@pytest.mark.parametrize("released", ["", "  "])
def test_a_hold_that_was_released_leaves_an_empty_word_and_is_none(
    desk: Desk, released: str
) -> None:
    server = desk.nova.boot("gpu-1", awake_for=LONG)
    server.metadata[HOLD_METADATA] = "an operator"
    desk.state.parent.mkdir()
    assert desk.pass_minutes(1) == 0
    server.metadata[HOLD_METADATA] = released
    assert desk.pass_minutes(1) == 1


@pytest.mark.parametrize("skew", [timedelta(hours=20), timedelta(hours=-20)])
def test_a_cloud_whose_clock_is_wrong_makes_nothing_old(desk: Desk, skew: timedelta) -> None:
    desk.nova.skew = skew
    desk.nova.boot("gpu-1")
    desk.state.parent.mkdir()
    assert desk.pass_minutes(3, ticks=True) == 0


def test_a_dry_run_says_what_it_would_do(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.dry = True
    desk.nova.boot("gpu-1", awake_for=LONG)
    desk.state.parent.mkdir()
    with caplog.at_level(logging.INFO):
        assert desk.pass_minutes(2) == 0
    assert "shelve: it has been awake for 14.0 h (a dry run: it is not asked)" in caplog.text
    memory = read_memory(Memory, desk.state)
    assert memory is not None
    assert all(one.asked is None for one in memory.servers.values())


def test_registration_gives_a_server_into_its_care(desk: Desk) -> None:
    server = desk.nova.boot("machine-7", awake_for=LONG, metadata={"owner": "somebody"})
    desk.state.parent.mkdir()
    assert desk.pass_minutes(2) == 0
    assert not is_in_care(server.metadata, "gpu-7")
    assert tag_server(desk.cloud.connection, server.id, "gpu-7")
    assert is_in_care(server.metadata, "gpu-7")
    assert not is_in_care(server.metadata, "gpu-8")
    assert server.metadata == {"owner": "somebody", "dubfleet": "1", NODE_METADATA: "gpu-7"}
    desk.node_beats("gpu-7", job="job-1")
    [facts] = desk.cloud.servers()
    assert facts.node == "gpu-7"
    assert desk.pass_minutes(1) == 1


def test_many_servers_are_judged_one_by_one(desk: Desk) -> None:
    for number in range(8):
        desk.nova.boot(f"gpu-{number}", awake_for=LONG if number % 2 else timedelta())
    desk.state.parent.mkdir()
    assert desk.pass_minutes(1, ticks=True) == 4
    asleep = {s.name for s in desk.nova.servers.values() if s.status == "SHELVED_OFFLOADED"}
    assert asleep == {"gpu-1", "gpu-3", "gpu-5", "gpu-7"}

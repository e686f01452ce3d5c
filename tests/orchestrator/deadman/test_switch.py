"""What the switch makes of pulses, of its memory, and of what people have done."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

import pytest

from gpu_node.contracts.pulse import HOLD_METADATA, NODE_METADATA
from gpu_node.contracts.watch import Instant, read_memory
from orchestrator.deadman.facts import RedisFacts
from orchestrator.deadman.memory import Memory
from orchestrator.deadman.run import Switch
from orchestrator.deadman.tags import is_in_care, tag_server
from orchestrator.deadman.verdict import Rules
from tests.orchestrator.deadman.desk import Desk
from tests.orchestrator.deadman.nova import FakeServer

LONG = timedelta(hours=14)


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


def test_an_emptied_redis_is_told_of_when_nobody_writes_to_it_again(watched: Desk) -> None:
    watched.client.flushall()
    watched.pass_minutes(20)
    assert watched.look()
    watched.pass_minutes(15)
    assert not watched.look(), "a person has to look at it"
    assert watched.nova.posts() == []


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

"""What the switch reads out of a real Redis, as the controller and the nodes write it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
import redis as redis_client

from gpu_node.contracts.pulse import CONTROLLER_KEY, KEPT_SECONDS, NodePulse, node_key
from orchestrator import pulse
from orchestrator.deadman.pulses import read_pulses
from tests.support.redis import RedisServer, free_port


def client(redis: RedisServer) -> redis_client.Redis:
    return redis_client.Redis.from_url(redis.url)


def write_node(redis: RedisServer, name: str, beat: int = 1) -> NodePulse:
    said = NodePulse(
        boot_id="boot-of-the-worker", beat=beat, at=datetime.now(UTC), node=name, busy=False
    )
    client(redis).set(node_key(name), said.model_dump_json())
    return said


def test_both_pulses_and_which_redis_it_is(redis: RedisServer) -> None:
    assert pulse.beat(redis.url)
    said = write_node(redis, "gpu-1")
    found = read_pulses(redis.url, ["gpu-1", "gpu-2"])
    assert found is not None
    assert found.nodes == {"gpu-1": said}
    assert found.controller is not None
    assert len(found.run_id) == 40
    assert 0 <= found.uptime_seconds < 60


def test_each_tick_is_another_pulse_and_is_kept_for_long(redis: RedisServer) -> None:
    marks = set()
    for _ in range(3):
        assert pulse.beat(redis.url)
        found = read_pulses(redis.url, [])
        assert found is not None
        assert found.controller is not None
        marks.add(found.controller.mark)
    assert len(marks) == 3
    assert KEPT_SECONDS - 60 < int(client(redis).ttl(CONTROLLER_KEY)) <= KEPT_SECONDS


def test_a_restart_is_another_run_and_forgets_nothing(redis: RedisServer) -> None:
    pulse.beat(redis.url)
    before = read_pulses(redis.url, [])
    redis.kill()
    assert read_pulses(redis.url, []) is None
    redis.start()
    after = read_pulses(redis.url, [])
    assert before is not None
    assert after is not None
    assert before.run_id != after.run_id
    assert before.controller == after.controller


def test_an_emptied_one_is_the_same_run_without_pulses(redis: RedisServer) -> None:
    pulse.beat(redis.url)
    write_node(redis, "gpu-1")
    before = read_pulses(redis.url, ["gpu-1"])
    client(redis).flushall()
    after = read_pulses(redis.url, ["gpu-1"])
    assert before is not None
    assert after is not None
    assert (after.run_id, after.controller, after.nodes) == (before.run_id, None, {})


@pytest.mark.parametrize("said", ["", "{}", '{"contract_version": 2}', "\x00", "[" * 1000])
def test_what_cannot_be_understood_is_not_there(redis: RedisServer, said: str) -> None:
    client(redis).set(CONTROLLER_KEY, said)
    client(redis).set(node_key("gpu-1"), said)
    found = read_pulses(redis.url, ["gpu-1"])
    assert found is not None
    assert (found.controller, found.nodes) == (None, {})


def test_a_key_of_another_type_is_a_pulse_that_is_missing(redis: RedisServer) -> None:
    client(redis).lpush(CONTROLLER_KEY, "no pulse")
    found = read_pulses(redis.url, [])
    assert found is not None
    assert found.controller is None


def test_nothing_secret_is_said_when_it_is_away(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        url = f"redis://user:the-password@127.0.0.1:{free_port()}/0"
        assert read_pulses(url, []) is None
        assert not pulse.beat(url)
    assert "the-password" not in caplog.text
    assert "ConnectionError" in caplog.text


def test_a_user_who_may_only_read_pulses_is_enough(redis: RedisServer) -> None:
    """The permissions that docs/security.md gives the switch."""
    pulse.beat(redis.url)
    write_node(redis, "gpu-1")
    client(redis).acl_setuser(
        "deadman",
        enabled=True,
        passwords=["+word"],
        keys=[CONTROLLER_KEY, node_key("*")],
        commands=["+mget", "+info"],
    )
    url = redis.url.replace("redis://", "redis://deadman:word@")
    found = read_pulses(url, ["gpu-1"])
    assert found is not None
    assert found.controller is not None
    assert set(found.nodes) == {"gpu-1"}

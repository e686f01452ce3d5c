"""The switch when the cloud does not answer, answers late, or does not do what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import timedelta

import pytest

from gpu_node.contracts.watch import LOOK_SECONDS, read_memory
from orchestrator.deadman import cloud as cloud_module
from orchestrator.deadman.cloud import open_cloud
from orchestrator.deadman.memory import Memory
from orchestrator.deadman.tags import Tag
from tests.orchestrator.deadman.desk import Desk
from tests.orchestrator.deadman.nova import FakeServer, Misbehaviour

LONG = timedelta(hours=14)


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


def test_a_list_of_actions_that_fails_now_and_then_does_not_end_the_watch(watched: Desk) -> None:
    watched.pass_minutes(20)
    watched.nova.misbehaviour["GET", "/os-instance-actions"] = Misbehaviour.BREAK
    watched.pass_minutes(1)
    watched.nova.misbehaviour.clear()
    assert watched.pass_minutes(8) == 0
    assert watched.pass_minutes(1) == 1

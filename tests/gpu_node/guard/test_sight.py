"""What the guard sees: a real Redis, real HTTP, a real worker's folder."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import pytest
import redis as redis_client

from gpu_node.contracts.pulse import PULSE_FILE
from gpu_node.guard import sight
from gpu_node.guard.sight import (
    look,
    read_pulse,
    redis_answers,
    site_answers,
    worker_lives,
)
from gpu_node.worker.folders import WorkFolder
from gpu_node.worker.pulse import Occupation, PulseWriter
from tests.gpu_node.guard.small_http import pages_at
from tests.support.redis import free_port, redis_server
from tests.support.tcp_proxy import tcp_proxy


@pytest.mark.parametrize(("status", "there"), [(200, True), (502, False), (302, False)])
def test_only_a_site_that_is_well_is_there(status: int, there: bool) -> None:
    with pages_at({"/healthz": (status, b"ok")}) as url:
        assert site_answers(url) is there


def test_a_site_that_refuses_or_hangs_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "_TIMEOUT", 0.3)
    assert not site_answers(f"http://127.0.0.1:{free_port()}")
    with pages_at({}) as url, tcp_proxy(int(url.rpartition(":")[2])) as proxy:
        proxy.cut()
        assert not site_answers(f"http://127.0.0.1:{proxy.port}")


def test_a_redis_that_answers_anything_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sight, "_TIMEOUT", 0.5)
    with redis_server() as server, caplog.at_level(logging.DEBUG):
        assert redis_answers(server.url)
        redis_client.Redis.from_url(server.url).config_set("requirepass", "secret-word")
        assert redis_answers(server.url), "it asks for a password"
        assert redis_answers(server.url.replace("//", "//:wrong-word@"))
        with tcp_proxy(server.port) as proxy:
            proxy.cut()
            assert not redis_answers(f"redis://:secret-word@127.0.0.1:{proxy.port}/0")
        server.kill()
        assert not redis_answers(server.url.replace("//", "//:secret-word@"))
    assert "secret-word" not in caplog.text


def test_a_worker_is_there_as_long_as_one_of_its_processes(tmp_path: Path) -> None:
    """By the very lock that the worker takes."""
    assert not worker_lives(tmp_path)
    folder = WorkFolder(tmp_path, 1 << 30)
    lock = folder.hold()
    assert worker_lives(tmp_path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    lock.close()
    assert worker_lives(tmp_path), "its child still holds the folder"
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)
    assert not worker_lives(tmp_path)


def test_looking_leaves_the_folder_free(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path, 1 << 30)
    folder.hold().close()
    assert not worker_lives(tmp_path)
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_pulse_that_the_worker_writes_is_understood(tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    now = Occupation(busy=True, job="job-1", kept=True)
    PulseWriter("gpu-1", "boot-id-1", nobody, tmp_path, lambda: now).beat()
    said = read_pulse(tmp_path)
    assert said is not None
    assert (said.node, said.busy, said.job, said.kept) == ("gpu-1", True, "job-1", True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"contract_version": 9}'])
def test_a_pulse_that_cannot_be_read_is_not_there(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PULSE_FILE).parent.mkdir()
    (tmp_path / PULSE_FILE).write_bytes(content)
    assert read_pulse(tmp_path) is None


def test_a_look_at_nothing(tmp_path: Path) -> None:
    port = free_port()
    found = look(f"http://127.0.0.1:{port}", f"redis://127.0.0.1:{port}/0", tmp_path / "none")
    assert (found.main_server, found.worker, found.pulse) == (False, False, None)

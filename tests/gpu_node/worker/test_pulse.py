"""The worker's pulse: its file, its key in Redis, and what they say while a job runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from pathlib import Path

import pytest
import redis as redis_client

from gpu_node.contracts.pulse import KEPT_SECONDS, PULSE_FILE, NodePulse, node_key
from gpu_node.worker import pulse as module
from gpu_node.worker.pulse import Desk, Occupation, PulseWriter
from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text
from tests.gpu_node.worker.processes import WorkerProcess, wait_for
from tests.support.node_api import Site
from tests.support.redis import RedisServer, free_port, redis_server
from tests.support.tcp_proxy import tcp_proxy

BOOT = "0123456789abcdef"


def in_file(work: Path) -> NodePulse | None:
    file = work / PULSE_FILE
    return NodePulse.model_validate_json(file.read_bytes()) if file.exists() else None


def in_redis(url: str, node: str) -> NodePulse | None:
    said = redis_client.Redis.from_url(url).get(node_key(node))
    return None if said is None else NodePulse.model_validate_json(said)


def writer(url: str, folder: Path, node: str = "gpu-1") -> PulseWriter:
    return PulseWriter(node, BOOT, url, folder, lambda: Occupation(busy=False))


def test_a_day(site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path) -> None:
    """Idle, at a job, idle: a real worker, told by the file and by Redis alike."""
    worker = start_worker()
    worker.started()
    wait_for(lambda: shown(worker, redis) == [(False, None, False)] * 2)

    text = Text(tmp_path / "text", ["one of two", "wait"])
    text.close_gate()
    job = text.submit(site)
    wait_for(lambda: shown(worker, redis) == [(True, job.id, False)] * 2)
    text.open_gate()
    wait_for(lambda: job.state == "succeeded")
    wait_for(lambda: shown(worker, redis) == [(False, None, False)] * 2)

    first = in_redis(redis.url, worker.node)
    wait_for(lambda: beat_of(redis, worker) > (first.beat if first else 0) + 2)
    last = in_redis(redis.url, worker.node)
    assert first is not None
    assert last is not None
    assert (first.boot_id, first.node) == (last.boot_id, worker.node)
    assert {beat.boot_id for beat in site.beats} == {first.boot_id}
    client = redis_client.Redis.from_url(redis.url)
    assert KEPT_SECONDS - 60 < int(str(client.ttl(node_key(worker.node)))) <= KEPT_SECONDS


def test_a_result_that_waits_for_the_site_is_shown_as_kept(
    site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.started()
    text = Text(tmp_path / "text", ["one of two", "wait"])
    text.close_gate()
    job = text.submit(site)
    wait_for(lambda: shown(worker, redis) == [(True, job.id, False)] * 2)
    site.close()
    text.open_gate()
    wait_for(lambda: shown(worker, redis) == [(True, job.id, True)] * 2)
    site.open()
    wait_for(lambda: job.state == "succeeded")


def test_a_child_that_was_killed_at_its_work_leaves_no_job_behind(
    site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.started()
    text = Text(tmp_path / "text", ["one of two", "wait"])
    text.close_gate()
    job = text.submit(site)
    wait_for(lambda: shown(worker, redis) == [(True, job.id, False)] * 2)
    site.orders_claims = False
    site.cancel(job)
    os.kill(worker.child, signal.SIGKILL)
    wait_for(lambda: shown(worker, redis) == [(False, None, False)] * 2)


def shown(worker: WorkerProcess, redis: RedisServer) -> list[tuple[bool, str | None, bool]]:
    """By the file, and by Redis."""
    found = (in_file(worker.work), in_redis(redis.url, worker.node))
    return [(one.busy, one.job, one.kept) for one in found if one is not None]


def beat_of(redis: RedisServer, worker: WorkerProcess) -> int:
    found = in_redis(redis.url, worker.node)
    return 0 if found is None else found.beat


def test_a_dead_path_to_redis_costs_little_and_is_then_left_alone(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.2)
    with tcp_proxy(redis.port) as proxy:
        pulse = writer(f"redis://127.0.0.1:{proxy.port}/0", tmp_path, "cut-off")
        pulse.beat()
        proxy.cut()
        began = time.monotonic()
        for _ in range(50):
            pulse.beat()
        assert time.monotonic() - began < 2.0
    said = in_file(tmp_path)
    assert said is not None
    assert said.beat == 51
    kept = in_redis(redis.url, "cut-off")
    assert kept is not None
    assert kept.beat == 1


def test_what_cannot_wait_is_tried_although_redis_did_not_answer_a_moment_ago(
    tmp_path: Path,
) -> None:
    with redis_server() as own:
        pulse = writer(own.url, tmp_path)
        own.kill()
        pulse.beat()
        own.start()
        pulse.beat()
        assert in_redis(own.url, "gpu-1") is None
        pulse.beat(at_once=True)
        assert in_redis(own.url, "gpu-1") is not None


def test_the_pulse_is_busy_before_a_job_is_asked_for(
    site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.started()
    site.orders_claims = False
    site.heartbeat = 60.0
    beats = len(site.beats)
    wait_for(lambda: len(site.beats) > beats)
    wait_for(lambda: shown(worker, redis) == [(False, None, False)] * 2)
    at_claim: list[list[tuple[bool, str | None, bool]]] = []

    def look(request: str) -> None:
        if request.endswith("/claim"):
            at_claim.append(shown(worker, redis))

    site.on_request = look
    Text(tmp_path / "text", ["one of two"]).submit(site)
    worker.ring()
    wait_for(lambda: at_claim)
    assert at_claim[0] == [(True, None, False)] * 2


def test_redis_is_told_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_REST_SECONDS", 0.0)
    with redis_server() as own, caplog.at_level(logging.INFO):
        pulse = writer(own.url, tmp_path)
        own.kill()
        for _ in range(3):
            pulse.beat()
        own.start()
        pulse.beat()
        said = in_redis(own.url, "gpu-1")
    assert said is not None
    assert said.beat == 4
    assert caplog.text.count("was not written to Redis") == 1
    assert caplog.text.count("is written to Redis again") == 1


def test_nothing_secret_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        writer(f"redis://node:the-password@127.0.0.1:{free_port()}/0", tmp_path).beat()
    assert "ConnectionError" in caplog.text
    assert "the-password" not in caplog.text


def test_a_folder_that_cannot_be_written_to_does_not_stop_the_other_pulse(
    redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    node = f"node-{uuid.uuid4().hex[:8]}"
    pulse = writer(redis.url, tmp_path, node)
    pulse.beat()
    assert in_redis(redis.url, node) is not None


def test_the_file_is_whole_at_every_moment(redis: RedisServer, tmp_path: Path) -> None:
    pulse = writer(redis.url, tmp_path)
    pulse.beat()
    over = threading.Event()

    def write() -> None:
        for _ in range(300):
            pulse.beat()
        over.set()

    thread = threading.Thread(target=write)
    thread.start()
    beats = []
    while not over.is_set():
        said = in_file(tmp_path)
        assert said is not None
        beats.append(said.beat)
    thread.join()
    assert beats == sorted(beats)
    assert list((tmp_path / "run").iterdir()) == [tmp_path / PULSE_FILE]


@pytest.mark.parametrize("job", ["job-1", "a" * 64, "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_the_desk_shows_a_job_to_the_other_process(job: str) -> None:
    desk = Desk()
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with desk.holds(job):
            os.write(ready[1], b".")
            os.read(done[0], 1)
        os.write(ready[1], b".")
        os._exit(0)
    assert desk.job in (None, job)
    os.read(ready[0], 1)
    assert desk.job == job
    os.write(done[1], b".")
    os.read(ready[0], 1)
    assert desk.job is None
    os.waitpid(child, 0)
    for end in (*ready, *done):
        os.close(end)

"""The site or Redis away, for longer than anybody would wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.guard.sight import read_pulse
from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text, words
from tests.gpu_node.worker.processes import WorkerProcess, wait_for
from tests.support.node_api import Site
from tests.support.redis import RedisServer, free_port, redis_server

LEASE = 1.0


@pytest.fixture
def text(tmp_path: Path) -> Text:
    text = Text(tmp_path / "text", ["one", "wait", "three"])
    text.close_gate()
    return text


def test_the_site_for_longer_than_a_lease(
    site: Site, start_worker: StartWorker, text: Text
) -> None:
    site.lease = LEASE
    job = text.submit(site)
    worker = start_worker()
    wait_for(lambda: len(text.counted()) == 3 and job.beats)
    site.close()
    time.sleep(1.5 * LEASE)
    # The work goes on, and ends, while nobody can be told.
    text.open_gate()
    wait_for(lambda: list(worker.work.glob("jobs/*/completion.json")))
    time.sleep(LEASE)
    site.open()
    wait_for(lambda: job.state == "succeeded")
    assert words(job) == 3
    assert (job.attempts, len(job.completions), job.lost) == (1, 1, 0)
    # It claims again by itself: nobody rings, and nobody orders it to.
    site.orders_claims = False
    claims = len(site.claims)
    site.close()
    time.sleep(0.5)
    site.open()
    wait_for(lambda: len(site.claims) > claims)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def test_redis_under_a_running_job(
    site: Site, own_redis: RedisServer, tmp_path: Path, text: Text
) -> None:
    job = text.submit(site)
    worker = WorkerProcess(site, own_redis, tmp_path / "node")
    try:
        worker.start()
        wait_for(lambda: len(text.counted()) == 3)
        own_redis.kill()
        text.open_gate()
        wait_for(lambda: job.state == "succeeded")
        assert (job.attempts, len(job.completions)) == (1, 1)
        wait_for(lambda: not site.beats[-1].busy)
        own_redis.start()
        again = Text(text.folder, ["four"]).submit(site)
        wait_for(lambda: again.state == "succeeded")
        assert worker.main.poll() is None
        # It can be stopped without one, too.
        own_redis.kill()
        assert worker.terminate() < 40
        assert worker.survivors() == []
    finally:
        worker.clear()


def test_redis_away_at_the_start(site: Site, tmp_path: Path, text: Text) -> None:
    """It beats and shows a pulse, so nobody takes it for dead; work begins once there is Redis."""
    with redis_server() as redis:
        redis.kill()
        job = text.submit(site)
        worker = WorkerProcess(site, redis, tmp_path / "node")
        try:
            worker.start()
            wait_for(lambda: len(site.beats) > 1 and site.beats[-1].state == "ready")
            said = read_pulse(worker.work)
            assert said is not None
            assert said.shows_no_job
            wait_for(lambda: beat_of(worker) > said.beat)
            assert {beat.boot_id for beat in site.beats} == {said.boot_id}
            assert job.state == "queued"
            redis.start()
            text.open_gate()
            wait_for(lambda: job.state == "succeeded", within=90.0)
            assert worker.terminate() < 40
        finally:
            worker.clear()


def test_a_worker_that_never_saw_redis_can_be_stopped(site: Site, tmp_path: Path) -> None:
    worker = WorkerProcess(site, RedisServer(tmp_path, free_port()), tmp_path / "node")
    try:
        worker.start()
        wait_for(lambda: len(site.beats) > 1)
        assert worker.terminate() < 50
        assert worker.survivors() == []
        wait_for(lambda: site.beats[-1].state == "stopped")
    finally:
        worker.clear()


def beat_of(worker: WorkerProcess) -> int:
    said = read_pulse(worker.work)
    assert said is not None
    return said.beat

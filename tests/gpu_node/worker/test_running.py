"""A worker's ordinary day: real processes, a real Redis."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import redis as redis_client
from celery import Celery

from gpu_node.contracts.node_api import WorkerState
from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text, words
from tests.gpu_node.worker.processes import SOON, WorkerProcess, wait_for
from tests.support.node_api import Site
from tests.support.redis import RedisServer


def be_idle(site: Site) -> None:
    """Wait until it rests, and no doorbell of its own is on its way."""
    heard = len(site.beats)
    wait_for(lambda: len(site.beats) > heard + 4 and not any(b.busy for b in site.beats[-4:]))


def all_of(server: RedisServer) -> bytes:
    """Everything that Redis has been told."""
    return b"".join(path.read_bytes() for path in server.folder.rglob("*.aof"))


def test_a_day(site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path) -> None:
    text = Text(tmp_path / "text", ["one of two", "three"])
    first = text.submit(site)
    worker = start_worker()

    # It claims when it starts: nobody has rung.
    wait_for(lambda: first.state == "succeeded")
    assert words(first) == 3

    # The doorbell alone.
    site.orders_claims = False
    be_idle(site)
    rung = text.submit(site)
    [answer] = worker.ring()
    assert answer.get(timeout=SOON) == {"job": rung.id, "outcome": "succeeded"}

    # One that was lost: the heartbeat's answer says it too.
    lost = text.submit(site)
    site.orders_claims = True
    wait_for(lambda: lost.state == "succeeded")

    # A Redis that has forgotten everything.
    site.orders_claims = False
    redis_client.Redis.from_url(redis.url).flushall()
    after = text.submit(site)
    worker.ring()
    wait_for(lambda: after.state == "succeeded")

    # Doubled ones, while it works and after: one result each, and nothing is left behind.
    text.close_gate()
    waiting = Text(tmp_path / "text", ["wait"]).submit(site)
    worker.ring(3)
    wait_for(lambda: waiting.state == "running" and site.beats[-1].busy)
    worker.ring(3)
    text.open_gate()
    assert [one.get(timeout=SOON) for one in worker.ring()] == [{"job": None, "outcome": "nothing"}]
    jobs = list(site.jobs.values())
    assert [len(job.completions) for job in jobs] == [1] * 5
    assert [job.attempts for job in jobs] == [1] * 5
    assert list((worker.work / "jobs").iterdir()) == []

    first_beat, boots = site.beats[0], {beat.boot_id for beat in site.beats}
    assert first_beat.state is WorkerState.READY
    assert first_beat.kinds == ("count", "dub")
    assert len(boots) == 1
    check_that_nothing_secret_is_told(site, redis, worker)


def check_that_nothing_secret_is_told(
    site: Site, redis: RedisServer, worker: WorkerProcess
) -> None:
    told = all_of(redis) + worker.log.encode()
    assert b"gpu_node.work" in told
    assert site.token.encode() not in told
    for job in site.jobs.values():
        assert job.completions[0].token.encode() not in told
    assert b"&s=" not in told


def test_two_workers_in_one_folder(site: Site, start_worker: StartWorker) -> None:
    one = start_worker()
    one.started()
    other = start_worker()
    assert other.main.wait(SOON) != 0
    assert "Another worker is at work in NODE_WORK_FOLDER" in other.log
    assert one.main.poll() is None


def test_a_machine_without_engines_says_so_and_takes_nothing(
    site: Site, start_worker: StartWorker, tmp_path: Path
) -> None:
    job = Text(tmp_path / "text", ["one"]).submit(site)
    worker = start_worker(environment={"PATH": os.fspath(tmp_path)})
    wait_for(lambda: len(site.beats) > 3)
    assert {beat.state for beat in site.beats} == {WorkerState.BROKEN}
    assert site.beats[0].sentence.startswith("eSpeak NG is not installed.")
    worker.ring()[0].get(timeout=SOON)
    assert (job.state, site.claims) == ("queued", [])


def test_events_say_how_a_job_ended(
    site: Site, redis: RedisServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Flower reads these."""
    job = Text(tmp_path / "text", ["one"]).submit(site)
    ended: list[dict[str, Any]] = []
    with Celery(broker=redis.url, set_as_current=False) as app, app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-succeeded": ended.append})
        listening = threading.Thread(target=receiver.capture, kwargs={"timeout": SOON})
        listening.start()
        worker = start_worker()
        wait_for(lambda: any(job.id in event["result"] for event in ended))
        receiver.should_stop = True
        worker.ring()
        listening.join(SOON)
    assert "'outcome': 'succeeded'" in ended[0]["result"]
    assert ended[0]["hostname"].startswith(f"{worker.node}@")

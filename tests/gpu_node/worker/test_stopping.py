"""Stopping in good order, and dropping what is not wanted any more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from gpu_node.contracts.node_api import WorkerState
from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text
from tests.gpu_node.worker.processes import WorkerProcess, wait_for
from tests.support.node_api import Site

QUICK = 30.0
"""A stop takes a second or two; this is still in time for systemd."""


@pytest.fixture
def text(tmp_path: Path) -> Text:
    text = Text(tmp_path / "text", ["one", "wait", "three"])
    text.close_gate()
    return text


def check_stopped(site: Site, worker: WorkerProcess) -> None:
    states = [beat.state for beat in site.beats]
    assert states[-1] is WorkerState.STOPPED
    assert states.count(WorkerState.STOPPED) == 1
    stopping = states.index(WorkerState.STOPPING)
    assert set(states[stopping:-1]) == {WorkerState.STOPPING}
    assert not site.beats[-1].busy
    assert worker.survivors() == []


def test_a_worker_that_stops_gives_its_job_back_and_a_new_one_goes_on(
    site: Site, start_worker: StartWorker, text: Text
) -> None:
    job = text.submit(site)
    worker = start_worker()
    wait_for(lambda: len(text.counted()) == 3)
    claims = len(site.claims)
    assert worker.terminate() < QUICK
    check_stopped(site, worker)
    assert (job.releases, job.state, len(site.claims)) == (1, "queued", claims)
    text.open_gate()
    worker.start()
    wait_for(lambda: job.state == "succeeded")
    assert sorted(text.counted()) == ["l001", "l002", "l002", "l003"]
    assert job.lost == 0

    # And now it is told to by the site, with nothing to do.
    site.stop_ordered = True
    assert worker.main.wait(QUICK) == 0
    assert site.beats[-1].state is WorkerState.STOPPED


def test_an_order_to_stop_during_a_job(site: Site, start_worker: StartWorker, text: Text) -> None:
    job = text.submit(site)
    worker = start_worker()
    wait_for(lambda: len(text.counted()) == 3)
    site.stop_ordered = True
    assert worker.main.wait(QUICK) == 0
    check_stopped(site, worker)
    assert job.releases == 1


def test_a_signal_to_all_of_its_processes_at_once(
    site: Site, start_worker: StartWorker, text: Text
) -> None:
    job = text.submit(site)
    worker = start_worker()
    wait_for(lambda: len(text.counted()) == 3)
    os.kill(worker.child, signal.SIGTERM)
    assert worker.terminate() < QUICK
    check_stopped(site, worker)
    assert (job.releases, job.failures) == (1, [])


def test_a_job_that_does_not_listen_is_not_waited_for(
    site: Site, start_worker: StartWorker, tmp_path: Path
) -> None:
    text = Text(tmp_path / "text", ["one", "deaf"])
    text.close_gate()
    job = text.submit(site)
    worker = start_worker(environment={"TOY_STOP_SECONDS": "2"})
    wait_for(lambda: len(text.counted()) == 2)
    worker.main.terminate()
    assert worker.main.wait(QUICK) == -signal.SIGALRM
    assert worker.survivors() == []
    assert job.state == "running"  # its lease runs out, or the next start claims


def test_a_job_that_is_cancelled_frees_the_node_within_two_heartbeats(
    site: Site, start_worker: StartWorker, text: Text, tmp_path: Path
) -> None:
    site.heartbeat = 0.5
    job = text.submit(site)
    worker = start_worker()
    wait_for(lambda: len(text.counted()) == 3)
    after = Text(tmp_path / "other", ["four"]).submit(site)
    site.cancel(job)
    cancelled = time.monotonic()
    wait_for(lambda: after.state != "queued")
    # It claims the next one at once; two heartbeats, and what a busy machine takes.
    assert time.monotonic() - cancelled < 2 * site.heartbeat + 1.0
    wait_for(lambda: after.state == "succeeded")
    assert (job.completions, job.failures, job.releases) == ([], [], 0)
    wait_for(lambda: list((worker.work / "jobs").iterdir()) == [])

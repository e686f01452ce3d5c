"""SIGKILL, at any moment, of any process: the job goes on from what was done; one result."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text, words
from tests.gpu_node.worker.processes import WorkerProcess, wait_for
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site

LINES = ("one", "two", "three", "wait here", "five")
DONE_BEFORE = ["l001", "l002", "l003", "l005"]


@pytest.fixture
def text(tmp_path: Path) -> Text:
    return Text(tmp_path / "text", LINES)


def held_up(worker: WorkerProcess, text: Text) -> bool:
    """All lines have been counted but the one that waits at the gate."""
    records = list(worker.work.glob("jobs/*/store/records/*/*"))
    return sorted(text.counted()) == [*DONE_BEFORE[:3], "l004", "l005"] and len(records) >= 6


def test_the_pools_child(site: Site, start_worker: StartWorker, text: Text) -> None:
    """Twice: each fork finds a main process with threads at work, and none of their locks held."""
    job = text.submit(site)
    text.close_gate()
    worker = start_worker()
    wait_for(lambda: held_up(worker, text))
    boot = site.beats[-1].boot_id
    worker.kill_child()
    wait_for(lambda: text.counted()[len(LINES) :] == ["l004"])
    worker.kill_child()
    text.open_gate()
    wait_for(lambda: job.state == "succeeded")
    assert words(job) == 6
    assert text.counted()[len(LINES) :] == ["l004", "l004"]
    assert (len(job.completions), job.attempts, job.lost) == (1, 3, 2)
    assert site.beats[-1].boot_id == boot
    assert worker.terminate() < 20
    assert worker.survivors() == []


def test_the_whole_worker(site: Site, start_worker: StartWorker, text: Text) -> None:
    job = text.submit(site)
    text.close_gate()
    worker = start_worker()
    wait_for(lambda: held_up(worker, text))
    before = len(text.counted())
    boot = site.beats[-1].boot_id
    worker.kill()
    assert worker.survivors() == []
    text.open_gate()
    worker.start()
    wait_for(lambda: job.state == "succeeded")
    assert words(job) == 6
    assert text.counted()[before:] == ["l004"]
    assert (len(job.completions), job.attempts, job.lost) == (1, 2, 1)
    assert site.beats[-1].boot_id != boot


@pytest.mark.parametrize("accepted", [False, True], ids=["not heard", "accepted unawares"])
def test_after_the_work_before_its_result_was_accepted(
    site: Site, start_worker: StartWorker, text: Text, accepted: bool
) -> None:
    job = text.submit(site)
    kind = Kind.LOSE if accepted else Kind.STATUS
    site.faults.add(Fault("/complete", kind, 503), times=1000)
    worker = start_worker()
    wait_for(lambda: site.faults.done)
    worker.kill()
    counted = text.counted()
    site.faults.clear()
    asked = len(site.requests)
    worker.start()
    wait_for(lambda: job.state == "succeeded" and len(job.completions) == 1 + accepted)
    wait_for(lambda: list((worker.work / "jobs").iterdir()) == [])
    wait_for(lambda: len(site.claims) == 2)
    said = [one for one in site.requests[asked:] if one.endswith(("/complete", "/claim"))]
    assert said[0].endswith("/complete")
    assert text.counted() == counted
    assert job.attempts == 1

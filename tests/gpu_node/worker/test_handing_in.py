"""A result on its way to the site, whatever is in its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_node.worker import reporting
from gpu_node.worker.attempt import Outcome
from gpu_node.worker.board import Board
from gpu_node.worker.folders import WorkFolder
from gpu_node.worker.work import work
from tests.gpu_node.worker.bench import BOOT, Desk
from tests.gpu_node.worker.counting import words
from tests.gpu_node.worker.processes import wait_for
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


def test_every_trouble_at_once_changes_nothing(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    claimed = desk.claim()
    faults = desk.site.faults
    faults.add(Fault("GET /blobs", Kind.BREAK, after_bytes=5))
    faults.add(Fault("GET /blobs", Kind.STATUS, 500))
    faults.add(Fault("PUT /blobs", Kind.DROP))
    faults.add(Fault("PUT /blobs", Kind.LOSE))
    faults.add(Fault("/uploads", Kind.STATUS, 502))
    faults.add(Fault("/complete", Kind.STATUS, 503, headers={"Retry-After": "1"}))
    faults.add(Fault("/complete", Kind.LOSE))
    faults.add(Fault("/complete", Kind.LIE))
    desk.site.expire_links()
    assert desk.bench.do(claimed) is Outcome.SUCCEEDED
    assert words(job) == 4
    assert len(faults.done) == 8
    assert len({done.model_dump_json() for done in job.completions}) == 1


def test_a_worker_that_stops_is_not_held_up_by_a_site_that_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(reporting, "_RELEASE_SECONDS", 0.5)
    text = desk.text("one")
    job = text.submit(desk.site)
    text.close_gate()
    desk.site.faults.add(Fault("/uploads", Kind.STATUS, 503), times=1000)
    thread = desk.begin()
    wait_for(lambda: desk.site.faults.done)
    desk.stopping.set()
    assert desk.ended(thread) is Outcome.KEPT
    assert "completion.json" in desk.left(job)
    desk.stopping.clear()
    desk.site.faults.clear()
    again = work(desk.bench, Board(), BOOT)
    assert again == {"job": job.id, "outcome": "succeeded"}
    assert text.counted() == ["l001"]
    assert desk.left(job) == []


def test_a_result_that_was_accepted_before_the_process_died_is_not_sent_for_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk.text().submit(desk.site)
    with monkeypatch.context() as patched:
        patched.setattr(WorkFolder, "remove", lambda *_: None)  # the moment it is killed at
        assert desk.do() is Outcome.SUCCEEDED
    assert "completion.json" in desk.left(job)
    assert work(desk.bench, Board(), BOOT) == {"job": job.id, "outcome": "succeeded"}
    assert len(job.completions) == 2
    assert desk.left(job) == []


def test_a_result_of_a_job_that_is_elsewhere_by_now_is_dropped(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    desk.site.faults.add(Fault("/uploads", Kind.STATUS, 503), times=1000)
    thread = desk.begin()
    wait_for(lambda: desk.site.faults.done)
    desk.site.supersede(job)
    assert desk.ended(thread) is Outcome.SUPERSEDED
    assert "completion.json" not in desk.left(job)


def test_an_output_the_server_has_lost_is_sent_again(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    claimed = desk.claim()

    def lose(said: str) -> None:
        """Between the upload and the completion."""
        page = next((d for d, c in desk.site.blobs.items() if c.startswith(b"l001")), None)
        if said.endswith("/complete") and page is not None and not lost:
            lost.append(desk.site.blobs.pop(page))

    lost: list[bytes] = []
    desk.site.on_request = lose
    assert desk.bench.do(claimed) is Outcome.SUCCEEDED
    assert lost
    assert words(job) == 4


def test_a_server_of_another_version_does_not_hold_the_node_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "_MOST_ODD", 3)
    job = desk.text().submit(desk.site)
    desk.site.faults.add(Fault("/complete", Kind.STATUS, 404), times=1000)
    assert desk.do() is Outcome.FAILED
    assert "do not understand each other" in job.failures[0].sentence
    assert "completion.json" not in desk.left(job)

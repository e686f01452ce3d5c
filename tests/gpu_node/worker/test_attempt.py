"""One attempt at a job, in this process: what the site hears, and what is left on disk."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.worker.attempt import Outcome
from gpu_node.worker.board import Board
from gpu_node.worker.work import work
from tests.gpu_node.worker.bench import BOOT, Desk
from tests.gpu_node.worker.counting import words
from tests.gpu_node.worker.processes import wait_for
from tests.support.count_kind import COUNT
from tests.support.node_api import Site, SiteJob


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


def test_a_job_is_done_and_nothing_of_it_is_left(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    assert desk.do() is Outcome.SUCCEEDED
    assert words(job) == 4
    page = job.completions[0].outputs["page"]
    assert desk.site.blobs[page.digest] == b"l001 2\nl002 1\nl003 1"
    assert desk.left(job) == []


def test_progress_is_told_and_only_grows(desk: Desk) -> None:
    text = desk.text("one", "wait here", "two")
    job = text.submit(desk.site)
    text.close_gate()
    thread = desk.begin()
    wait_for(lambda: job.beats and job.beats[-1].steps >= 5)
    stages = {stage.stage: stage for stage in job.beats[-1].stages}
    assert (stages["download"].finished, stages["split"].finished) == (True, True)
    assert (stages["count"].done, stages["count"].total) == (2, 3)
    text.open_gate()
    assert desk.ended(thread) is Outcome.SUCCEEDED
    counted = [beat.steps for beat in job.beats]
    assert counted == sorted(counted)


@pytest.mark.parametrize(
    ("lines", "payload", "reason", "sentence"),
    [
        (("one", "crash"), {}, Reason.INTERNAL, "A mistake in the node's program: RuntimeError"),
        (("one",), {"version": 2}, Reason.INTERNAL, "another version of the program"),
        (("one",), {"kind": "narration"}, Reason.INTERNAL, "does not know jobs of kind"),
    ],
)
def test_a_failure_is_reported(
    desk: Desk,
    lines: tuple[str, ...],
    payload: dict[str, object],
    reason: Reason,
    sentence: str,
) -> None:
    job = desk.text(*lines).submit(desk.site)
    job.spec = job.spec.model_copy(update={"payload": {**job.spec.payload, **payload}})
    assert desk.do() is Outcome.FAILED
    [failure] = job.failures
    assert failure.reason is reason
    assert sentence in failure.sentence
    assert ("Traceback" in failure.detail) == (lines == ("one", "crash"))


def test_a_job_without_its_inputs_is_refused(desk: Desk) -> None:
    job = desk.site.submit({"kind": "count", "version": 1}, {})
    assert desk.do() is Outcome.FAILED
    assert job.failures[0].reason is Reason.INPUT_MISSING


def test_no_secret_is_in_a_report(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        job = desk.text("crash").submit(desk.site)
        claimed = desk.claim()

        def crash(*_: object) -> NoReturn:
            raise RuntimeError(f"{claimed.downloads['text']} {claimed.token} {desk.site.token}")

        crashes = {"count": dataclasses.replace(COUNT, open=crash)}
        assert dataclasses.replace(desk.bench, kinds=crashes).do(claimed) is Outcome.FAILED
    said = job.failures[0].model_dump_json(exclude={"token"})
    assert "RuntimeError" in said
    signature = claimed.downloads["text"].rpartition("s=")[2]
    for secret in (claimed.token, desk.site.token, signature):
        assert secret not in said


def test_a_job_that_is_wanted_back_is_given_back_and_gone_on_with_later(desk: Desk) -> None:
    """As at max uptime: what is done of it stays, and it counts as no failure."""
    text = desk.text("one", "two", "wait here")
    job = text.submit(desk.site)
    text.close_gate()
    thread = desk.begin()
    wait_for(lambda: job.beats and job.beats[-1].steps >= 5)
    desk.site.wants_back = True
    assert desk.ended(thread) is Outcome.RELEASED
    assert (job.releases, job.failures) == (1, [])
    desk.site.wants_back = False
    text.open_gate()
    assert desk.do() is Outcome.SUCCEEDED
    # Only the line that was being counted was begun again.
    assert (len(text.counted()), len(set(text.counted()))) == (4, 3)


@pytest.mark.parametrize(
    ("happens", "outcome", "kept"),
    [
        (Site.cancel, Outcome.CANCELLED, False),
        (Site.supersede, Outcome.SUPERSEDED, True),
        (lambda site, job: site.jobs.pop(job.id), Outcome.UNKNOWN, False),
    ],
    ids=["cancelled", "superseded", "unknown"],
)
def test_work_that_is_not_wanted_any_more_is_dropped(
    desk: Desk, happens: Callable[[Site, SiteJob], object], outcome: Outcome, kept: bool
) -> None:
    text = desk.text("one", "wait")
    job = text.submit(desk.site)
    text.close_gate()
    thread = desk.begin()
    wait_for(lambda: len(text.counted()) == 2)
    happens(desk.site, job)
    assert desk.ended(thread) is outcome
    assert (job.completions, job.failures, job.releases) == ([], [], 0)
    assert bool(desk.left(job)) is kept


def test_a_superseded_job_that_comes_back_is_gone_on_with(desk: Desk) -> None:
    text = desk.text("one", "wait", "two")
    job = text.submit(desk.site)
    text.close_gate()
    thread = desk.begin()
    wait_for(lambda: len(text.counted()) == 3)
    desk.site.supersede(job)
    desk.ended(thread)
    text.open_gate()
    job.state = "queued"
    assert desk.do() is Outcome.SUCCEEDED
    assert sorted(text.counted()) == ["l001", "l002", "l002", "l003"]
    fetched = [one for one in desk.site.requests if one.startswith("GET /blobs")]
    assert len(fetched) == 2


def test_a_worker_that_stops_gives_its_job_back(desk: Desk) -> None:
    text = desk.text("one", "wait")
    job = text.submit(desk.site)
    text.close_gate()
    thread = desk.begin()
    wait_for(lambda: len(text.counted()) == 2)
    desk.stopping.set()
    assert desk.ended(thread) is Outcome.RELEASED
    assert (job.releases, job.state) == (1, "queued")
    assert desk.left(job) != []


def test_a_job_with_an_id_that_is_none_is_not_touched(desk: Desk) -> None:
    desk.text().submit(desk.site)
    claimed = desk.claim().model_copy(update={"job": "../../etc"})
    with pytest.raises(ValueError, match="id"):
        desk.bench.do(claimed)
    assert list(desk.folders._jobs.iterdir()) == []


def test_a_damaged_input_on_disk_is_fetched_again(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    folder = desk.folders.job(job.id)
    folder.open()
    blob = job.spec.inputs["text"]
    folder.input(blob).write_bytes(b"x" * blob.size)
    assert desk.do() is Outcome.SUCCEEDED
    assert words(job) == 4


def test_all_there_is_is_done(desk: Desk) -> None:
    jobs = [desk.text("one", f"line {n}").submit(desk.site) for n in range(3)]
    board = Board()
    assert work(desk.bench, board, BOOT) == {"job": None, "outcome": "nothing"}
    board.ready = True
    assert work(desk.bench, board, BOOT) == {"job": jobs[-1].id, "outcome": "succeeded"}
    assert [job.state for job in jobs] == ["succeeded"] * 3
    assert work(desk.bench, board, BOOT) == {"job": None, "outcome": "nothing"}

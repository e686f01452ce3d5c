"""SIGKILL at random moments, again and again, with a site that stumbles."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.counting import Text, words
from tests.gpu_node.worker.processes import wait_for
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site

JOBS, LINES = 5, 60
SEED = 20261121
AMPLE = 120.0
"""Six faults in a row, each waited for longer than the one before."""
AT_ONCE = 2
"""So many lines are counted side by side, and may be cut short by one kill."""


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_killed_at_random_moments(site: Site, start_worker: StartWorker, tmp_path: Path) -> None:
    dice = random.Random(SEED)  # noqa: S311  # for a test
    texts = [
        Text(tmp_path / f"text-{number}", [f"nap {number} {n}" for n in range(LINES)])
        for number in range(JOBS)
    ]
    jobs = [text.submit(site) for text in texts]
    for where in (
        "/complete",
        "/uploads",
        "/claim",
        "/jobs/.*/heartbeat",
        "GET /blobs",
        "PUT /blobs",
    ):
        for kind in (Kind.DROP, Kind.LOSE, Kind.STATUS):
            site.faults.add(Fault(where, kind, 503), times=2)
    worker = start_worker()
    kills = 0
    while not all_done(site):
        wait_for(claimed_again(site), AMPLE)
        with suppress(subprocess.TimeoutExpired):
            worker.main.wait(dice.uniform(0.0, 1.5))
        if dice.random() < 0.5:
            worker.kill()
            worker.start()
        else:
            worker.kill_child()
        kills += 1
    for text, job in zip(texts, jobs, strict=True):
        assert words(job) == 3 * LINES
        assert len({done.model_dump_json(exclude={"token"}) for done in job.completions}) == 1
        assert set(text.counted()) == {f"l{n:03}" for n in range(1, LINES + 1)}
    again = sum(len(text.counted()) - LINES for text in texts)
    assert again <= AT_ONCE * kills
    wait_for(lambda: list((worker.work / "jobs").iterdir()) == [])


def claimed_again(site: Site) -> Callable[[], bool]:
    """Whether the worker has got to work since now."""
    before = len(site.claims)
    return lambda: len(site.claims) > before or all_done(site)


def all_done(site: Site) -> bool:
    return all(job.state == "succeeded" for job in site.jobs.values())

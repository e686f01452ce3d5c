"""Many writers at once, on a database file or server: nobody is refused, nothing is doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial

import pytest
from django.db import connection, transaction

from orchestrator import jobs
from orchestrator.attempts import Refused
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import Attempt, Job, LedgerEntry, Node
from orchestrator.states import AttemptOutcome, JobState
from tests.orchestrator.rows import (
    BOOT,
    KIND,
    ManualClock,
    beat,
    completion,
    enrolled,
    job_beat,
    order,
    submitted,
    uuid_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = 50
WRITERS = 6


def at_once(tasks: list[Callable[[], None]]) -> None:
    """Run them in threads that begin together; the first error is raised."""
    ready = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        try:
            ready.wait(30)
            task()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(run, task) for task in tasks]:
            done.result()


class RealClock(ManualClock):
    """The database's, in the shape the helpers take."""

    def now(self) -> datetime:
        return DATABASE_CLOCK.now()


def work_until_nothing_is_left(node: Node) -> None:
    clock = RealClock()
    while True:
        with transaction.atomic():
            job = jobs.claim(node, BOOT, [KIND], clock.now())
        if job is None:
            return
        for steps in range(3):
            with transaction.atomic():
                jobs.heartbeat(node, uuid_of(job), job_beat(job, steps), clock.now())
            with transaction.atomic():
                beat(node, clock)
        with transaction.atomic():
            jobs.complete(node, uuid_of(job), completion(job, clock, job.job), clock.now())


def test_fifty_jobs_and_six_nodes() -> None:
    clock = RealClock()
    nodes = [enrolled(f"gpu-{number}", clock) for number in range(WRITERS)]
    for _ in range(JOBS):
        with transaction.atomic():
            submitted(clock)
    at_once([partial(work_until_nothing_is_left, node) for node in nodes])
    assert Job.objects.filter(state=JobState.SUCCEEDED).count() == JOBS
    assert Attempt.objects.count() == JOBS
    assert {a.outcome for a in Attempt.objects.all()} == {AttemptOutcome.SUCCEEDED}
    worked = set(Attempt.objects.values_list("node", flat=True))
    assert set(LedgerEntry.objects.filter(ended_at=None).values_list("node", flat=True)) == worked


def test_two_people_press_the_button_at_the_same_moment() -> None:
    clock = RealClock()
    created = []

    def press() -> None:
        with transaction.atomic():
            created.append(jobs.submit(order(clock, dedupe="lesson:es"), clock.now()).created)

    at_once([press] * WRITERS)
    assert sorted(created) == [False] * (WRITERS - 1) + [True]
    assert Job.objects.count() == 1


def test_a_job_is_cancelled_while_it_is_completed() -> None:
    """Either may win; whichever does, the job ends once and nobody waits for ever."""
    clock = RealClock()
    node = enrolled("gpu-1", clock)
    for _ in range(10):
        with transaction.atomic():
            job = submitted(clock)
            held = jobs.claim(node, BOOT, [KIND], clock.now())
        assert held is not None
        done = completion(held, clock, held.job)

        def complete() -> None:
            with suppress(Refused), transaction.atomic():
                jobs.complete(node, job.pk, done, clock.now())  # noqa: B023  # run at once

        def cancel() -> None:
            with transaction.atomic():
                jobs.cancel(job.pk, clock.now())  # noqa: B023  # run at once

        at_once([complete, cancel])
        job.refresh_from_db()
        ended = {
            JobState.SUCCEEDED: AttemptOutcome.SUCCEEDED,
            JobState.CANCELLED: AttemptOutcome.CANCELLED,
        }
        assert Attempt.objects.get(job=job).outcome == ended[JobState(job.state)]
        assert (job.result is not None) == (job.state == JobState.SUCCEEDED)

"""What many jobs wait for is asked of the database once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator import history
from orchestrator.forecast import FORESEEN, Forecast
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, Node
from orchestrator.policy.forecast import WaitingFor
from orchestrator.states import AttemptOutcome, CloudStatus, OperationKind, OperationOutcome
from tests.orchestrator.rows import KIND, ManualClock, claimed, enrolled, submitted

pytestmark = pytest.mark.django_db


def finished(clock: ManualClock, node: Node, took: float, **facts: object) -> Job:
    """A job that has gone through in one attempt."""
    job = submitted(clock, media_seconds=100.0)
    Job.objects.filter(pk=job.pk).update(state="succeeded", **facts)
    Attempt.objects.create(
        job=job,
        node=node,
        number=1,
        outcome=AttemptOutcome.SUCCEEDED,
        claimed_at=clock.now(),
        lease_until=clock.now(),
        ended_at=clock.now() + timedelta(seconds=took),
    )
    return job


def test_each_job_knows_its_place(clock: ManualClock, node: Node) -> None:
    running = submitted(clock)
    claimed(node, clock)
    running.refresh_from_db()
    later = submitted(clock)
    clock.advance(1)
    urgent = submitted(clock, priority=3)
    known = Forecast(clock.now())
    assert known.waiting(running).why is WaitingFor.NOTHING
    assert known.waiting(urgent).sentence.endswith("it is next.")
    assert known.waiting(later).sentence.endswith("1 lesson goes before it.")


def test_the_wait_is_what_the_jobs_before_it_take(clock: ManualClock, node: Node) -> None:
    submitted(clock, media_seconds=400.0)
    claimed(node, clock)
    submitted(clock, media_seconds=200.0)
    clock.advance(60)
    last = submitted(clock, media_seconds=1.0)
    # 1.5 node minutes per minute of media, as long as nothing else was seen.
    assert Forecast(clock.now()).waiting(last).seconds == 540 + 300


def test_one_that_is_about_to_be_submitted_goes_behind_the_others(
    clock: ManualClock, node: Node
) -> None:
    submitted(clock, media_seconds=400.0)
    claimed(node, clock)
    submitted(clock, media_seconds=200.0)
    known = Forecast(clock.now())
    assert known.of_new(KIND, 10.0).seconds == 600 + 300
    assert known.of_new(KIND, 10.0, priority=1).seconds == 600


def test_one_that_nobody_is_awake_for_is_told_of_the_waking(clock: ManualClock) -> None:
    enrolled("gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)
    said = Forecast(clock.now()).of_new(KIND, 10.0)
    assert (said.why, said.seconds) == (WaitingFor.WAKING, 60)


@pytest.mark.parametrize(
    ("reason", "why"), [("no_capacity", WaitingFor.CAPACITY), ("boot_failed", WaitingFor.BACKOFF)]
)
def test_why_it_was_not_woken_comes_from_the_last_call(
    clock: ManualClock, reason: str, why: WaitingFor
) -> None:
    node = enrolled(
        "gpu-1",
        clock,
        cloud_status=CloudStatus.SHELVED_OFFLOADED,
        awake_since=None,
        failures=1,
        not_before=clock.now() + timedelta(minutes=5),
    )
    for age, earlier in ((3000, "no_capacity"), (60, reason)):
        CloudOperation.objects.create(
            node=node,
            kind=OperationKind.UNSHELVE,
            outcome=OperationOutcome.FAILED,
            intended_at=clock.now() - timedelta(seconds=age),
            deadline=clock.now(),
            reason=earlier,
        )
    assert Forecast(clock.now()).waiting(submitted(clock)).why is why


def test_while_the_cloud_does_not_answer_nobody_promises_a_waking(clock: ManualClock) -> None:
    enrolled("gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)
    FleetState.objects.create(pk=1, cloud_error="transient", cloud_error_since=clock.now())
    said = Forecast(clock.now()).waiting(submitted(clock))
    assert (said.why, said.seconds) == (WaitingFor.CLOUD, None)


def test_the_end_of_a_long_queue_is_told_how_long_it_is(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    Job.objects.bulk_create(
        Job(kind=KIND, payload={}, created_at=clock.now(), not_before=clock.now(), priority=1)
        for _ in range(FORESEEN)
    )
    known = Forecast(clock.now())
    for said in (known.waiting(job), known.of_new(KIND, 1.0)):
        assert said.sentence.endswith(f"at least {FORESEEN} lessons go before it.")
        assert said.seconds is not None


def test_a_hundred_jobs_cost_no_more_than_one(clock: ManualClock, node: Node) -> None:
    jobs = [submitted(clock)]
    with CaptureQueriesContext(
        connection,
    ) as one:
        assert Forecast(clock.now()).waiting(jobs[0]).sentence
    jobs += [submitted(clock) for _ in range(100)]
    with CaptureQueriesContext(connection) as many:
        known = Forecast(clock.now())
        assert all(known.waiting(job).sentence for job in jobs)
    assert len(many) == len(one)


def test_how_far_estimates_were_off(clock: ManualClock, node: Node) -> None:
    assert history.estimate_accuracy() is None
    finished(clock, node, 200, predicted_seconds=100)
    finished(clock, node, 100, predicted_seconds=100)
    finished(clock, node, 100, predicted_seconds=110)
    finished(clock, node, 100, predicted_seconds=None)
    found = history.estimate_accuracy()
    assert found is not None
    assert (found.jobs, found.percent) == (3, 10)

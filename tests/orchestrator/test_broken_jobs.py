"""Attempts at breaking jobs: two transactions that meet, nodes that come back too late."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import Failure, RefusalReason
from orchestrator import jobs
from orchestrator.attempts import Refused
from orchestrator.models import Attempt, Job, LedgerEntry, Node
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, CloudStatus, Gate, JobState
from tests.orchestrator.rows import (
    BOOT,
    KIND,
    ManualClock,
    beat,
    claimed,
    completion,
    enrolled,
    job_beat,
    submitted,
)
from tests.orchestrator.test_concurrency import RealClock, at_once

pytestmark = pytest.mark.django_db


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, happens: Any) -> None:
    """Have something happen in another transaction just before jobs.`name` is called first."""
    genuine = getattr(jobs, name)
    left = [happens]

    def called(*args: Any, **options: Any) -> Any:
        if left:
            left.pop()()
        return genuine(*args, **options)

    monkeypatch.setattr(jobs, name, called)


def after_the_look(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Have something happen in another transaction once a job's state has been read."""
    left = [happens]

    def looked(job: Job) -> JobState:
        state = JobState(job.state)
        if left:
            left.pop()()
        return state

    monkeypatch.setattr(Job, "current_state", property(looked))


def test_a_job_that_is_claimed_while_it_is_cancelled(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its attempt ended nowhere: the node worked on, and held a lease on a job that had ended."""
    job = submitted(clock)
    held = []
    after_the_look(monkeypatch, lambda: held.append(claimed(node, clock)))
    assert jobs.cancel(job.pk, clock.now())
    assert Attempt.objects.get().outcome == AttemptOutcome.CANCELLED
    with pytest.raises(Refused) as refused:
        jobs.heartbeat(node, job.pk, job_beat(held[0]), clock.now())
    assert refused.value.reason is RefusalReason.CANCELLED


def test_a_job_that_changes_nodes_while_it_is_cancelled(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(clock)
    first = claimed(node, clock)
    other = enrolled("gpu-2", clock)

    def change() -> None:
        jobs.release(node, job.pk, first.token, clock.now())
        claimed(other, clock)

    after_the_look(monkeypatch, change)
    assert jobs.cancel(job.pk, clock.now())
    assert not Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).exists()
    assert Job.objects.get().state == JobState.CANCELLED


@pytest.mark.parametrize("verb", ["complete", "fail", "release"])
def test_the_same_word_twice_at_once_is_taken_twice(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The second was read before the first was written, waited for it, and was refused."""
    job = submitted(clock)
    held = claimed(node, clock)
    done = completion(held, clock)
    failure = Failure(token=held.token, reason=Reason.ENGINE_FAILED, sentence="It broke.")
    said: Any = {"complete": done, "fail": failure, "release": held.token}[verb]

    def say() -> None:
        getattr(jobs, verb)(node, job.pk, said, clock.now())

    meanwhile(monkeypatch, "touch", say)
    say()
    assert Attempt.objects.count() == 1


def test_a_lease_does_not_come_back_to_life_while_the_node_is_shelved(
    clock: ManualClock, node: Node
) -> None:
    """Cut off for a while, drained for its silence, and back just before the shelving."""
    job = submitted(clock)
    held = claimed(node, clock)
    clock.advance(fleet_settings().fleet_lease_seconds + 1)
    assert jobs.expire(Attempt.objects.get().pk, clock.now())
    Node.objects.update(gate=Gate.STOPPING)
    with pytest.raises(Refused):
        jobs.heartbeat(node, job.pk, job_beat(held), clock.now())
    assert not Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).exists()
    assert Job.objects.get().state == JobState.QUEUED


def test_the_end_of_a_job_does_not_bill_a_server_that_is_gone(
    clock: ManualClock, node: Node
) -> None:
    job = submitted(clock)
    claimed(node, clock)
    LedgerEntry.objects.all().delete()
    Node.objects.update(cloud_status=CloudStatus.DELETED)
    assert jobs.cancel(job.pk, clock.now())
    assert not LedgerEntry.objects.exists()


def test_a_node_that_idled_too_long_before_a_claim_is_a_failure(
    clock: ManualClock, node: Node
) -> None:
    """The orchestrator was away, and the job came by the answer to a heartbeat."""
    beat(node, clock)
    began = clock.now()
    clock.advance(7200)
    beat(node, clock)
    submitted(clock)
    claimed(node, clock)
    idle = LedgerEntry.objects.get(cause=Cause.IDLE)
    assert idle.ended_at is not None
    settings = fleet_settings()
    longest = settings.fleet_idle_minutes * 60 + settings.fleet_tick_seconds
    assert (idle.ended_at - began).total_seconds() == longest
    assert LedgerEntry.objects.get(cause=Cause.FAILURE).ended_at == clock.now()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_claim_never_waits_for_a_job_while_it_holds_its_node() -> None:
    """Whoever cancels a course's jobs holds some jobs and waits for the nodes of others."""
    clock = RealClock()
    node = enrolled("gpu-1", clock)
    with transaction.atomic():
        first = submitted(clock)
        held = jobs.claim(node, BOOT, [KIND], clock.now())
        second = submitted(clock, priority=1)
    assert held is not None

    def claim() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            assert jobs.claim(node, "boot-0002", [KIND], clock.now()) is not None

    with transaction.atomic():
        jobs.cancel(second.pk, clock.now())
        at_once([claim])
        jobs.cancel(first.pk, clock.now())
    assert {job.state for job in Job.objects.all()} == {JobState.CANCELLED}

"""The life of a job."""

from __future__ import annotations

import pytest

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import Failure, RefusalReason, StageState
from orchestrator import jobs, transitions
from orchestrator.attempts import Refused, lease
from orchestrator.models import Attempt, Job, JobEvent, Node
from orchestrator.states import AttemptOutcome, Gate, JobState
from tests.orchestrator.rows import (
    BOOT,
    KIND,
    ManualClock,
    claimed,
    completion,
    enrolled,
    job_beat,
    order,
    stored,
    submitted,
    uuid_of,
)

pytestmark = pytest.mark.django_db


def state_of(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def test_the_same_key_is_submitted_once_while_it_is_under_way(
    clock: ManualClock, node: Node
) -> None:
    first = jobs.submit(order(clock, dedupe="lesson-1:es"), clock.now())
    again = jobs.submit(order(clock, dedupe="lesson-1:es"), clock.now())
    assert first.created and not again.created
    assert again.job.pk == first.job.pk
    assert jobs.cancel(first.job.pk, clock.now())
    assert jobs.submit(order(clock, dedupe="lesson-1:es"), clock.now()).created


def test_an_input_that_is_not_stored_is_refused(clock: ManualClock) -> None:
    blob = stored(b"x", clock).model_copy(update={"digest": "0" * 64})
    with pytest.raises(ValueError, match="lesson"):
        jobs.submit(order(clock, inputs={"lesson": blob}), clock.now())
    assert not Job.objects.exists()


def test_the_best_job_is_the_most_urgent_then_the_oldest(clock: ManualClock, node: Node) -> None:
    old, urgent = submitted(clock), submitted(clock, priority=5)
    clock.advance(1)
    newer = submitted(clock, priority=5)
    given = []
    for _ in range(3):
        job = claimed(node, clock)
        given.append(uuid_of(job))
        jobs.complete(node, uuid_of(job), completion(job, clock), clock.now())
    assert given == [urgent.pk, newer.pk, old.pk]


def test_only_known_kinds_are_handed_out(clock: ManualClock, node: Node) -> None:
    submitted(clock)
    assert jobs.claim(node, BOOT, ["other"], clock.now()) is None
    assert jobs.claim(node, BOOT, ["other", KIND], clock.now()) is not None


@pytest.mark.parametrize(
    "change", [{"gate": Gate.DRAINING}, {"gate": Gate.STOPPING}, {"parked": True}]
)
def test_a_closed_gate_refuses_claims(
    clock: ManualClock, node: Node, change: dict[str, object]
) -> None:
    submitted(clock)
    Node.objects.filter(pk=node.pk).update(**change)
    assert jobs.claim(node, BOOT, [KIND], clock.now()) is None


def test_a_job_from_claim_to_result(clock: ManualClock, node: Node) -> None:
    seen = []
    transitions.on_transition(handler := lambda change: seen.append((change.old, change.new)))
    try:
        job = submitted(clock, labels={"course": "1"})
        held = claimed(node, clock)
        assert held.spec.payload["text"] == "hello"
        assert held.downloads["lesson"].startswith("http://site.test/blobs/")
        clock.advance(5)
        beat = job_beat(held, steps=3).model_copy(
            update={"stages": (StageState(stage="speak", done=1, total=4),)}
        )
        jobs.heartbeat(node, job.pk, beat, clock.now())
        job.refresh_from_db()
        assert (job.steps, job.stages[0]["stage"]) == (3, "speak")
        jobs.complete(node, job.pk, completion(held, clock), clock.now())
    finally:
        transitions._handlers.remove(handler)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert job.result == {"text": "done"}
    assert set(job.outputs()) == {"video"}
    assert seen == [
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.RUNNING, JobState.SUCCEEDED),
    ]
    assert [event.new for event in JobEvent.objects.filter(job=job)] == [
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.SUCCEEDED,
    ]


def test_the_accepted_completion_repeated_is_accepted(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    done = completion(held, clock)
    jobs.complete(node, job.pk, done, clock.now())
    jobs.complete(node, job.pk, done, clock.now())
    with pytest.raises(Refused) as refused:
        jobs.complete(node, job.pk, completion(held, clock, "other"), clock.now())
    assert refused.value.reason is RefusalReason.SUPERSEDED
    assert Job.objects.get(pk=job.pk).result == {"text": "done"}


def test_a_completion_without_its_files_is_refused_and_may_come_again(
    clock: ManualClock, node: Node
) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    done = completion(held, clock)
    lost = done.outputs["video"].model_copy(update={"digest": "f" * 64})
    with pytest.raises(Refused) as refused:
        jobs.complete(
            node, job.pk, done.model_copy(update={"outputs": {"video": lost}}), clock.now()
        )
    assert refused.value.reason is RefusalReason.OUTPUT_MISSING
    assert state_of(job) == JobState.RUNNING
    jobs.complete(node, job.pk, done, clock.now())


def test_a_worker_that_died_loses_its_job_at_its_next_claim(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    old = claimed(node, clock)
    jobs.heartbeat(node, job.pk, job_beat(old, steps=2), clock.now())
    new = claimed(node, clock, boot="boot-0002")
    assert (new.job, new.attempt) == (old.job, 2)
    assert Attempt.objects.get(number=1).outcome == AttemptOutcome.LOST
    for stale in (
        lambda: jobs.heartbeat(node, job.pk, job_beat(old), clock.now()),
        lambda: jobs.complete(node, job.pk, completion(old, clock), clock.now()),
        lambda: jobs.release(node, job.pk, old.token, clock.now()),
    ):
        with pytest.raises(Refused) as refused:
            stale()
        assert refused.value.reason is RefusalReason.SUPERSEDED
    jobs.complete(node, job.pk, completion(new, clock), clock.now())
    assert state_of(job) == JobState.SUCCEEDED


def test_an_expired_lease_that_nobody_took_is_renewed(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    clock.advance(91)
    assert jobs.expire(Attempt.objects.get().pk, clock.now())
    assert state_of(job) == JobState.QUEUED
    jobs.heartbeat(node, job.pk, job_beat(held), clock.now())
    assert state_of(job) == JobState.RUNNING
    jobs.complete(node, job.pk, completion(held, clock), clock.now())
    assert state_of(job) == JobState.SUCCEEDED


def test_one_that_somebody_took_is_not(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    clock.advance(91)
    jobs.expire(Attempt.objects.get().pk, clock.now())
    other = enrolled("gpu-2", clock)
    new = claimed(other, clock)
    with pytest.raises(Refused):
        jobs.complete(node, job.pk, completion(held, clock), clock.now())
    jobs.complete(other, job.pk, completion(new, clock, "new"), clock.now())
    assert Job.objects.get(pk=job.pk).result == {"text": "new"}


def test_a_lease_that_was_renewed_meanwhile_is_not_taken(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    clock.advance(91)
    jobs.heartbeat(node, job.pk, job_beat(held), clock.now())
    assert not jobs.expire(Attempt.objects.get().pk, clock.now())
    assert state_of(job) == JobState.RUNNING


def test_another_nodes_token_is_no_use(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    other = enrolled("gpu-2", clock)
    with pytest.raises(Refused):
        jobs.heartbeat(other, job.pk, job_beat(held), clock.now())


def test_a_job_that_was_given_back_is_queued_at_once(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    jobs.release(node, job.pk, held.token, clock.now())
    jobs.release(node, job.pk, held.token, clock.now())
    assert state_of(job) == JobState.QUEUED
    assert claimed(node, clock).attempt == 2


def test_a_cancelled_job_is_cancelled_at_once_and_its_token_void(
    clock: ManualClock, node: Node
) -> None:
    queued, running = submitted(clock), submitted(clock, priority=1)
    held = claimed(node, clock)
    for job in (queued, running):
        assert jobs.cancel(job.pk, clock.now(), "Nobody wants it.")
        assert not jobs.cancel(job.pk, clock.now())
        assert state_of(job) == JobState.CANCELLED
    with pytest.raises(Refused) as refused:
        jobs.heartbeat(node, running.pk, job_beat(held), clock.now())
    assert refused.value.reason is RefusalReason.CANCELLED
    assert jobs.claim(node, BOOT, [KIND], clock.now()) is None


def failure(token: str, reason: Reason) -> Failure:
    return Failure(token=token, reason=reason, sentence="It broke.", detail="log")


def test_a_lesson_that_cannot_be_used_fails_at_once(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    held = claimed(node, clock)
    jobs.fail(node, job.pk, failure(held.token, Reason.INPUT_NO_AUDIO), clock.now())
    jobs.fail(node, job.pk, failure(held.token, Reason.INPUT_NO_AUDIO), clock.now())
    job.refresh_from_db()
    assert (job.state, job.reason, job.sentence) == (
        JobState.FAILED,
        Reason.INPUT_NO_AUDIO,
        "It broke.",
    )


def test_a_machine_that_fails_is_tried_again_later(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    for last in (False, False, True):
        held = claimed(node, clock)
        jobs.fail(node, job.pk, failure(held.token, Reason.ENGINE_FAILED), clock.now())
        assert state_of(job) == (JobState.FAILED if last else JobState.QUEUED)
        assert jobs.claim(node, BOOT, [KIND], clock.now()) is None
        clock.advance(301)


def test_a_job_that_takes_its_worker_down_is_poison(clock: ManualClock, node: Node) -> None:
    job = submitted(clock)
    for boot in range(3):
        claimed(node, clock, boot=f"boot-000{boot}")
    assert jobs.claim(node, "boot-0003", [KIND], clock.now()) is None
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.POISON)


def test_a_claim_whose_answer_was_lost_is_answered_again(node: Node, clock: ManualClock) -> None:
    submitted(clock)
    first = jobs.claim(node, BOOT, [KIND], clock.now(), "claim-0000000001")
    clock.advance(seconds=7)
    Node.objects.filter(pk=node.pk).update(gate=Gate.DRAINING)
    again = jobs.claim(node, BOOT, [KIND], clock.now(), "claim-0000000001")
    assert first is not None and again is not None
    assert (again.token, again.attempt) == (first.token, first.attempt)
    attempt = Attempt.objects.get()
    assert attempt.outcome == AttemptOutcome.RUNNING
    assert attempt.lease_until == clock.now() + lease()
    jobs.complete(node, attempt.job_id, completion(again, clock), clock.now())
    # Done is done: the claim that led to it is not granted once more.
    Node.objects.filter(pk=node.pk).update(gate=Gate.OPEN)
    assert jobs.claim(node, BOOT, [KIND], clock.now(), "claim-0000000001") is None


def test_tokens_of_different_claims_differ(node: Node, clock: ManualClock) -> None:
    submitted(clock)
    first = jobs.claim(node, BOOT, [KIND], clock.now(), "claim-0000000001")
    second = jobs.claim(node, BOOT, [KIND], clock.now(), "claim-0000000002")
    assert first is not None and second is not None
    assert first.token != second.token

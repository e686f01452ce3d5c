"""The life of a job. The database is the queue; every change is one conditional UPDATE.

All functions run in the caller's transaction. Rows are always written in the order node, attempt,
job: two transactions that follow it cannot wait for each other in a circle.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.jobs import Payload
from gpu_node.contracts.node_api import (
    ClaimedJob,
    Completion,
    Failure,
    JobBeat,
    RefusalReason,
)
from orchestrator import blobs, history, store
from orchestrator.attempts import (
    Refused,
    bring_up_to_date,
    by_token,
    count_loss,
    end,
    hash_of,
    held,
    lease,
    past_of,
    quarantined,
    touch,
)
from orchestrator.demand import ring_free_nodes_after_commit
from orchestrator.doorbell import ring_fleet_after_commit
from orchestrator.handing_out import begin, best, handed_out
from orchestrator.models import (
    Attempt,
    Job,
    JobBlob,
    JobEvent,
    Node,
    StoredBlob,
)
from orchestrator.policy import retry
from orchestrator.policy.planner import must_give_back
from orchestrator.states import (
    ACTIVE_JOB_STATES,
    AttemptOutcome,
    Gate,
    JobState,
)
from orchestrator.transitions import move

log = logging.getLogger(__name__)

_TRIES = 20
"""How often a job that others change at the same moment is looked at again."""

_MOST_STEPS = 2**31 - 1
"""What the column holds."""


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What is to be done. `dedupe`: at most one queued or running job has this key."""

    payload: Payload
    inputs: Mapping[str, Blob]
    dedupe: str = ""
    priority: int = 0
    tenant: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    media_seconds: float | None = None
    needs_gpu: bool = True
    parent: Job | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """`created` is False when a job with the same `dedupe` was under way: that is the one."""

    job: Job
    created: bool


def submit(order: JobOrder, now: datetime) -> Submitted:
    """Queue a job and ring the fleet after commit."""
    known = set(
        StoredBlob.objects.filter(digest__in=[b.digest for b in order.inputs.values()]).values_list(
            "digest", flat=True
        )
    )
    missing = [name for name, blob in order.inputs.items() if blob.digest not in known]
    if missing:
        raise ValueError(f"the inputs {missing} are not in storage")
    try:
        with store.atomic():
            job = Job.objects.create(
                kind=order.payload.kind,
                payload=order.payload.model_dump(mode="json"),
                needs_gpu=order.needs_gpu,
                priority=order.priority,
                tenant=order.tenant,
                labels=dict(order.labels),
                dedupe=order.dedupe,
                parent=order.parent,
                media_seconds=order.media_seconds,
                predicted_seconds=history.durations().seconds(
                    order.payload.kind, order.media_seconds
                ),
                created_at=now,
                not_before=now,
            )
    except IntegrityError:
        active = Job.objects.filter(dedupe=order.dedupe, state__in=ACTIVE_JOB_STATES).first()
        if active is None:
            raise
        return Submitted(active, created=False)
    _link(job, JobBlob.IN, order.inputs)
    JobEvent.objects.create(job=job, at=now, new=JobState.QUEUED)
    ring_free_nodes_after_commit()
    ring_fleet_after_commit()
    return Submitted(job, created=True)


def cancel(job_id: UUID, now: datetime, sentence: str = "") -> bool:
    """Cancel a job that is queued or running; False when it had ended already.

    From then on the attempt's token is void: the node hears so at its next heartbeat.
    """
    for _ in range(_TRIES):
        job = Job.objects.filter(pk=job_id, state__in=ACTIVE_JOB_STATES).first()
        if job is None:
            return False
        old = job.current_state
        with store.atomic():
            if (old is JobState.QUEUED or _end_running(job_id, now)) and move(
                job_id, old, JobState.CANCELLED, now, reason=Reason.CANCELLED, sentence=sentence
            ):
                ring_fleet_after_commit()
                return True
            # A node has claimed it or given it back since we looked. Look again, and let go of
            # the node that it is not at any more: two nodes are never held at once.
            store.roll_back()
    return False


def claim(
    node: Node, boot_id: str, kinds: Sequence[str], now: datetime, claim_id: str = ""
) -> ClaimedJob | None:
    """The best job for a node that has none running; None when there is none, or it may not.

    The gate is read after the node's row is locked: a drain that begins now waits for us, or we see
    it. A claim that was granted, and whose answer was lost, is granted again with the same token;
    it keeps its node awake already, whatever the gate says by now.
    """
    claim_id = claim_id or secrets.token_hex(16)
    touch(node.pk, now)
    for attempt in Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING):
        if attempt.claim_id == claim_id:
            Attempt.objects.filter(pk=attempt.pk).update(lease_until=now + lease())
            return handed_out(attempt, now)
        # Whoever claims holds nothing: the process that held this has died.
        lose(attempt, AttemptOutcome.LOST, now)
    # Whoever asks has heard the doorbell.
    Node.objects.filter(pk=node.pk, rung_at__isnull=False).update(rung_at=None)
    takes = Node.objects.filter(pk=node.pk, gate=Gate.OPEN, parked=False).first()
    if takes is None or quarantined(takes, now):
        return None
    for _ in range(_TRIES):
        job = best(kinds, now)
        if job is None:
            return None
        if move(job.pk, JobState.QUEUED, JobState.RUNNING, now):
            job.refresh_from_db()
            return begin(job, node, boot_id, claim_id, now)
    return None


def heartbeat(node: Node, job_id: UUID, beat: JobBeat, now: datetime) -> Attempt:
    """Renew the lease and note the progress. Raises Refused."""
    touch(node.pk, now)
    attempt = held(node, job_id, beat.token, now)
    gained = max(attempt.steps, min(beat.steps, _MOST_STEPS))
    if gained > attempt.steps and node.lost_jobs:
        # Something was finished here: the node is none that only loses.
        Node.objects.filter(pk=node.pk).update(lost_jobs=[])
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=now + lease(), steps=gained)
    Job.objects.filter(pk=job_id, state=JobState.RUNNING).update(
        stages=[stage.model_dump() for stage in beat.stages]
    )
    Job.objects.filter(pk=job_id, steps__lt=gained).update(steps=gained)
    return attempt


def require_attempt(node: Node, job_id: UUID, token: str, now: datetime) -> Attempt:
    """The attempt that this token stands for, if it still counts. Raises Refused."""
    touch(node.pk, now)
    return held(node, job_id, token, now)


def complete(node: Node, job_id: UUID, completion: Completion, now: datetime) -> None:
    """Accept a result. The same one again is accepted again. Raises Refused."""
    said = hash_of(completion.model_dump_json(exclude={"token"}))
    # Locked before it is read: the same may be on its way twice at once.
    touch(node.pk, now)
    accepted = by_token(node, job_id, completion.token)
    if accepted is not None and accepted.outcome == AttemptOutcome.SUCCEEDED:
        if accepted.completion_hash == said:
            return
        raise Refused(RefusalReason.SUPERSEDED, "Another result of this attempt was accepted.")
    _require_outputs(completion.outputs)
    attempt = held(node, job_id, completion.token, now)
    job = Job.objects.get(pk=job_id)
    Attempt.objects.filter(pk=attempt.pk).update(completion_hash=said)
    end(attempt, AttemptOutcome.SUCCEEDED, now)
    Node.objects.filter(pk=node.pk).update(failures=0, lost_jobs=[])
    bring_up_to_date(node.pk, now)
    _link(job, JobBlob.OUT, completion.outputs)
    moved = move(job_id, JobState.RUNNING, JobState.SUCCEEDED, now, result=dict(completion.result))
    if not moved:
        raise Refused(RefusalReason.SUPERSEDED, "This job has ended in another way.")
    ring_fleet_after_commit()


def fail(node: Node, job_id: UUID, failure: Failure, now: datetime) -> None:
    """Note that a node could not do it, and decide what comes next. Raises Refused."""
    touch(node.pk, now)
    ended = by_token(node, job_id, failure.token)
    if ended is not None and ended.outcome == AttemptOutcome.FAILED:
        return
    attempt = held(node, job_id, failure.token, now)
    end(
        attempt,
        AttemptOutcome.FAILED,
        now,
        failure.reason,
        sentence=failure.sentence,
        detail=failure.detail,
    )
    bring_up_to_date(node.pk, now)
    verdict = retry.after_failure(failure.reason, failure.sentence, past_of(job_id))
    _follow(job_id, verdict, now)


def release(node: Node, job_id: UUID, token: str, now: datetime) -> None:
    """Take a job back from a node that stops in good order. Raises Refused."""
    touch(node.pk, now)
    ended = by_token(node, job_id, token)
    if ended is not None and ended.outcome == AttemptOutcome.RELEASED:
        return
    attempt = held(node, job_id, token, now)
    end(attempt, AttemptOutcome.RELEASED, now)
    bring_up_to_date(node.pk, now)
    move(job_id, JobState.RUNNING, JobState.QUEUED, now)
    ring_fleet_after_commit()


def expire(attempt_id: int, now: datetime) -> bool:
    """Take a job back from a node that has been silent for longer than the lease."""
    attempt = Attempt.objects.filter(pk=attempt_id).first()
    if attempt is None:
        return False
    touch(attempt.node_id, now)
    attempt.refresh_from_db()
    if attempt.lease_until >= now:
        return False
    return lose(attempt, AttemptOutcome.EXPIRED, now)


def lose(attempt: Attempt, outcome: AttemptOutcome, now: datetime) -> bool:
    """End an attempt that nobody works on any more; the node's row is locked."""
    if not end(attempt, outcome, now, Reason.LEASE_LOST):
        return False
    count_loss(attempt, now)
    bring_up_to_date(attempt.node_id, now)
    _follow(attempt.job_id, retry.after_loss(past_of(attempt.job_id)), now)
    return True


def preempt(attempt_id: int, now: datetime) -> bool:
    """Take a job back from a node that was to give it back and has not. No failure of the job's."""
    attempt = Attempt.objects.filter(pk=attempt_id).first()
    if attempt is None:
        return False
    touch(attempt.node_id, now)
    node = Node.objects.get(pk=attempt.node_id)
    if not must_give_back(Gate(node.gate), node.gate_why):
        # Somebody has opened the gate, or holds the node, since that was planned.
        return False
    if not end(attempt, AttemptOutcome.RELEASED, now):
        return False
    bring_up_to_date(attempt.node_id, now)
    move(attempt.job_id, JobState.RUNNING, JobState.QUEUED, now)
    ring_fleet_after_commit()
    return True


def _running(job_id: UUID) -> Attempt | None:
    return Attempt.objects.filter(job_id=job_id, outcome=AttemptOutcome.RUNNING).first()


def _end_running(job_id: UUID, now: datetime) -> bool:
    """End the running attempt at a job as cancelled; False when there is none any more."""
    attempt = _running(job_id)
    if attempt is None:
        return False
    touch(attempt.node_id, now)
    if not end(attempt, AttemptOutcome.CANCELLED, now, Reason.CANCELLED):
        return False
    bring_up_to_date(attempt.node_id, now)
    return True


def _follow(job_id: UUID, verdict: retry.Verdict, now: datetime) -> None:
    if verdict.next is retry.Next.QUEUE:
        later = {"not_before": now + verdict.delay}
        move(job_id, JobState.RUNNING, JobState.QUEUED, now, **later)
    else:
        reason = verdict.reason or Reason.INTERNAL
        sentence = verdict.sentence
        move(job_id, JobState.RUNNING, JobState.FAILED, now, reason=reason, sentence=sentence)
    ring_fleet_after_commit()


def _link(job: Job, direction: str, named: Mapping[str, Blob]) -> None:
    JobBlob.objects.bulk_create(
        JobBlob(job=job, direction=direction, name=name, blob_id=b.digest, suffix=b.suffix)
        for name, b in named.items()
    )


def _require_outputs(outputs: Mapping[str, Blob]) -> None:
    sizes = {
        row.digest: row.size
        for row in StoredBlob.objects.filter(digest__in=[b.digest for b in outputs.values()])
    }
    there = blobs.have(sizes)
    for name, blob in outputs.items():
        if blob.digest not in there or sizes[blob.digest] != blob.size:
            raise Refused(
                RefusalReason.OUTPUT_MISSING, f"The output {name} has not been uploaded yet."
            )

"""Attempts at jobs: whose token still counts, how one ends, and the lock that comes first.

Whoever writes about an attempt has locked its node's row before (`touch`), and writes the job's row
after it: two transactions that keep to this order cannot wait for each other in a circle.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import RefusalReason
from orchestrator import ledger
from orchestrator.accounting import account
from orchestrator.models import Attempt, Job, Node, NodeEvent
from orchestrator.policy import retry
from orchestrator.policy.planner import backoff
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, Gate, JobState
from orchestrator.transitions import move


class Refused(Exception):
    """A node's request that cannot be taken; the node API turns it into an HTTP answer."""

    def __init__(self, reason: RefusalReason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


def touch(node_id: UUID, now: datetime, **where: object) -> bool:
    """Lock the node's row for this transaction, if it is as `where` says."""
    return Node.objects.filter(pk=node_id, **where).update(touched_at=now) == 1


def end(
    attempt: Attempt,
    outcome: AttemptOutcome,
    now: datetime,
    reason: Reason | None = None,
    *,
    sentence: str = "",
    detail: str = "",
) -> bool:
    ended = Attempt.objects.filter(pk=attempt.pk, outcome=AttemptOutcome.RUNNING).update(
        outcome=outcome, ended_at=now, reason=reason or "", sentence=sentence, detail=detail
    )
    if ended:
        Node.objects.filter(pk=attempt.node_id).update(busy_until=now)
    return ended == 1


def bring_up_to_date(node_id: UUID, now: datetime) -> None:
    """Bring the node's ledger up to now; its row is locked."""
    account(Node.objects.get(pk=node_id), now)


def held(node: Node, job_id: UUID, token: str, now: datetime) -> Attempt:
    """The running attempt of this token, revived if its lease ran out and nobody took the job."""
    attempt = by_token(node, job_id, token)
    if attempt is None:
        if not Job.objects.filter(pk=job_id).exists():
            raise Refused(RefusalReason.JOB_UNKNOWN, "There is no such job.")
        raise Refused(RefusalReason.SUPERSEDED, "This attempt is not the job's any more.")
    if attempt.outcome == AttemptOutcome.RUNNING:
        return attempt
    if attempt.outcome == AttemptOutcome.CANCELLED:
        raise Refused(RefusalReason.CANCELLED, "The job was cancelled.")
    if attempt.outcome == AttemptOutcome.EXPIRED and _revive(attempt, now):
        return attempt
    raise Refused(RefusalReason.SUPERSEDED, "This attempt is not the job's any more.")


def _revive(attempt: Attempt, now: datetime) -> bool:
    """A lease that ran out counts again if the job still waits and the node has no other one.

    Past the point of no return it does not: the node's shelving may have been asked for already.
    """
    if Node.objects.filter(pk=attempt.node_id, gate=Gate.STOPPING).exists():
        return False
    newest = Attempt.objects.filter(job_id=attempt.job_id).order_by("-number").first()
    if newest is None or newest.pk != attempt.pk:
        return False
    if Attempt.objects.filter(node_id=attempt.node_id, outcome=AttemptOutcome.RUNNING).exists():
        return False
    if not move(attempt.job_id, JobState.QUEUED, JobState.RUNNING, now):
        return False
    Attempt.objects.filter(pk=attempt.pk).update(
        outcome=AttemptOutcome.RUNNING, ended_at=None, reason="", lease_until=now + lease()
    )
    attempt.refresh_from_db()
    ledger.enter(attempt.node_id, Cause.JOB, now, attempt.job_id)
    return True


def quarantined(node: Node, now: datetime) -> bool:
    """Whether it is given no job for a while, for those it has lost."""
    return node.quarantined_until is not None and now < node.quarantined_until


def by_token(node: Node, job_id: UUID, token: str) -> Attempt | None:
    wanted = hash_of(token)
    for attempt in Attempt.objects.filter(node=node, job_id=job_id):
        if hmac.compare_digest(attempt.token_hash, wanted):
            return attempt
    return None


def past_of(job_id: UUID) -> list[retry.Past]:
    return [
        retry.Past(str(a.node_id), AttemptOutcome(a.outcome), a.steps > a.steps_before)
        for a in Attempt.objects.filter(job_id=job_id).order_by("number")
    ]


def lease() -> timedelta:
    return timedelta(seconds=fleet_settings().fleet_lease_seconds)


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def count_loss(attempt: Attempt, now: datetime) -> None:
    """A node that loses job after job is given none for a while."""
    node = Node.objects.get(pk=attempt.node_id)
    gained = attempt.steps > attempt.steps_before
    node.lost_jobs, too_many = retry.lost_here(
        [] if gained else node.lost_jobs, str(attempt.job_id)
    )
    if too_many:
        node.failures += 1
        node.quarantined_until = now + backoff(node.failures)
        node.not_before = node.quarantined_until
        node.lost_jobs = []
        NodeEvent.objects.create(
            node=node,
            at=now,
            what="quarantined",
            sentence="It lost two different jobs with nothing finished in between.",
        )
    node.save(update_fields=["lost_jobs", "failures", "quarantined_until", "not_before"])

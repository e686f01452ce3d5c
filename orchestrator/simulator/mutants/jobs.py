"""Bugs about jobs: who is given which, whose word counts, and what becomes of one that is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import Completion, RefusalReason
from orchestrator import attempts, jobs, site_watch
from orchestrator.demand import claimable
from orchestrator.models import Attempt, Job, Node
from orchestrator.policy import planner, retry
from orchestrator.simulator.mutants.planting import Mutant, Patch
from orchestrator.states import AttemptOutcome, Gate, JobState
from orchestrator.transitions import move


def _idle_clock_not_reset() -> Sequence[Patch]:
    right = attempts.end

    def end(attempt: Attempt, *args: Any, **kwargs: Any) -> bool:
        before = Node.objects.get(pk=attempt.node_id).busy_until
        ended = right(attempt, *args, **kwargs)
        Node.objects.filter(pk=attempt.node_id).update(busy_until=before)
        return ended

    return [(attempts, "end", end), (jobs, "end", end)]


def _claims_on_a_closed_gate() -> Sequence[Patch]:
    right = jobs.claim

    def claim(node: Node, boot_id: str, kinds: Any, now: datetime, claim_id: str = "") -> Any:
        row = Node.objects.get(pk=node.pk)
        Node.objects.filter(pk=node.pk).update(gate=Gate.OPEN, parked=False)
        held = right(node, boot_id, kinds, now, claim_id)
        Node.objects.filter(pk=node.pk).update(gate=row.gate, parked=row.parked)
        return held

    return [(jobs, "claim", claim)]


def _no_fencing() -> Sequence[Patch]:
    def by_token(node: Node, job_id: UUID, token: str) -> Attempt | None:  # noqa: ARG001  # the bug
        return Attempt.objects.filter(job_id=job_id).order_by("-number").first()

    return [(attempts, "by_token", by_token), (jobs, "by_token", by_token)]


def _leases_never_expire() -> Sequence[Patch]:
    return [(planner, "_expired", lambda _: iter(()))]


def _poison_for_ever() -> Sequence[Patch]:
    return [(retry, "after_loss", lambda _past: retry.Verdict(retry.Next.QUEUE))]


def _gives_up_after_one_loss() -> Sequence[Patch]:
    lost = retry.Verdict(retry.Next.FAIL, reason=Reason.POISON, sentence="")
    return [(retry, "after_loss", lambda _past: lost)]


def _never_tries_again() -> Sequence[Patch]:
    def after_failure(reason: Reason, sentence: str, _past: object) -> retry.Verdict:
        return retry.Verdict(retry.Next.FAIL, reason=reason, sentence=sentence)

    return [(retry, "after_failure", after_failure)]


def _settled_at_once() -> Sequence[Patch]:
    return [(planner, "settled", lambda *_: True), (site_watch, "settled", lambda _: True)]


def _repeats_are_refused() -> Sequence[Patch]:
    right = jobs.complete

    def complete(node: Node, job_id: UUID, said: Completion, now: datetime) -> None:
        accepted = attempts.by_token(node, job_id, said.token)
        if accepted is not None and accepted.outcome == AttemptOutcome.SUCCEEDED:
            raise attempts.Refused(RefusalReason.SUPERSEDED, "It has ended.")
        right(node, job_id, said, now)

    return [(jobs, "complete", complete)]


def _old_ones_are_revived() -> Sequence[Patch]:
    def revive(attempt: Attempt, now: datetime) -> bool:
        if Node.objects.filter(pk=attempt.node_id, gate=Gate.STOPPING).exists():
            return False
        running = Attempt.objects.filter(node_id=attempt.node_id, outcome=AttemptOutcome.RUNNING)
        if running.exists():
            return False
        if not move(attempt.job_id, JobState.QUEUED, JobState.RUNNING, now):
            return False
        Attempt.objects.filter(pk=attempt.pk).update(
            outcome=AttemptOutcome.RUNNING,
            ended_at=None,
            reason="",
            lease_until=now + attempts.lease(),
        )
        attempt.refresh_from_db()
        attempts.bring_up_to_date(attempt.node_id, now)
        return True

    return [(attempts, "_revive", revive)]


def _cannot_be_stopped() -> Sequence[Patch]:
    return [(jobs, "_end_running", lambda *_: False)]


def _best_by(*order: str) -> Sequence[Patch]:
    def best(kinds: Sequence[str], now: datetime) -> Job | None:
        return claimable(kinds, now).order_by(*order).first()

    return [(jobs, "best", best)]


def _no_quarantine() -> Sequence[Patch]:
    return [(jobs, "count_loss", lambda *_: None)]


MUTANTS = (
    Mutant(
        "idle-clock",
        "the idle clock is not reset when a job ends",
        _idle_clock_not_reset,
        ("before it had been idle",),
    ),
    Mutant(
        "closed-gate",
        "a node whose gate is closed is given work",
        _claims_on_a_closed_gate,
        ("took work although",),
    ),
    Mutant(
        "no-fencing",
        "results are taken without looking at the token",
        _no_fencing,
        ("another attempt's", "an attempt that was"),
    ),
    Mutant(
        "no-expiry",
        "leases that ran out are not taken back",
        _leases_never_expire,
        ("does not come to rest",),
    ),
    Mutant(
        "poison",
        "a job that kills its workers is tried for ever",
        _poison_for_ever,
        ("and it was its last", "does not come to rest"),
    ),
    Mutant(
        "one-loss",
        "a job is given up as soon as one worker has died of it",
        _gives_up_after_one_loss,
        ("had more to come",),
    ),
    Mutant(
        "no-retry",
        "a job that failed for a reason that passes is not tried again",
        _never_tries_again,
        ("had more to come",),
    ),
    Mutant(
        "unsettled",
        "leases are taken and nodes drained as soon as the site is back",
        _settled_at_once,
        ("has not been up for as long",),
    ),
    Mutant(
        "repeat",
        "the accepted result is refused when it is sent again",
        _repeats_are_refused,
        ("sent again, and refused",),
    ),
    Mutant(
        "revival",
        "an attempt that ran out counts again although there is a newer one",
        _old_ones_are_revived,
        ("there is a newer one",),
    ),
    Mutant(
        "no-cancel",
        "a job that runs cannot be cancelled",
        _cannot_be_stopped,
        ("was not cancelled",),
    ),
    Mutant(
        "lowest-first",
        "the least important job goes first",
        lambda: _best_by("priority", "created_at", "pk"),
        ("a better one waited",),
    ),
    Mutant(
        "newest-first",
        "of jobs that are alike the newest goes first",
        lambda: _best_by("-priority", "-created_at", "pk"),
        ("a better one waited",),
    ),
    Mutant(
        "no-quarantine",
        "a node may lose job after job",
        _no_quarantine,
        ("is not left alone",),
    ),
)

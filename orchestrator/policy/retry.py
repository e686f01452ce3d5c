"""What becomes of a job whose attempt did not succeed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from gpu_node.contracts.errors import Reason
from orchestrator.states import LOSSES, AttemptOutcome

MOST_FAILURES = 3
"""A job may fail this often for a reason that may pass."""

_LOST_JOBS = 2
_LOST_ON_NODES = 2
_LOST_ON_ONE_NODE = 3

_DELAYS = (timedelta(seconds=10), timedelta(seconds=60), timedelta(seconds=300))

MAY_PASS = frozenset(
    {
        Reason.PROGRAM_MISSING,
        Reason.PROGRAM_FAILED,
        Reason.PROGRAM_TIMEOUT,
        Reason.ENGINE_FAILED,
        Reason.DISK_FULL,
        Reason.OUTPUT_UNWRITABLE,
        Reason.BUSY,
        Reason.INTERNAL,
    }
)
"""Reasons that are the machine's. All others are the lesson's: trying again changes nothing."""


class Next(StrEnum):
    """What is to be done with the job."""

    QUEUE = "queue"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Past:
    """An attempt that has ended. `gained`: it finished a stage or an utterance not done before."""

    node: str
    outcome: AttemptOutcome
    gained: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` and `sentence` are set when the job fails."""

    next: Next
    delay: timedelta = timedelta()
    reason: Reason | None = None
    sentence: str = ""


def after_failure(reason: Reason, sentence: str, past: Sequence[Past]) -> Verdict:
    """A node said that it cannot do the job. `past` holds all attempts, this one last."""
    if reason not in MAY_PASS:
        return Verdict(Next.FAIL, reason=reason, sentence=sentence)
    failures = _since_gain(past, frozenset({AttemptOutcome.FAILED}))
    if len(failures) >= MOST_FAILURES:
        return Verdict(Next.FAIL, reason=reason, sentence=sentence)
    return Verdict(Next.QUEUE, _DELAYS[min(max(len(failures) - 1, 0), len(_DELAYS) - 1)])


def after_loss(past: Sequence[Past]) -> Verdict:
    """An attempt ended without a word. `past` holds all attempts, this one last.

    A job that takes node after node down with it must not be handed out for ever: two nodes, or
    three times one, with nothing finished in between, and it is given up as poison.
    """
    losses = _since_gain(past, LOSSES)
    nodes = {lost.node for lost in losses}
    worst = max((sum(lost.node == node for lost in losses) for node in nodes), default=0)
    if len(nodes) < _LOST_ON_NODES and worst < _LOST_ON_ONE_NODE:
        return Verdict(Next.QUEUE)
    return Verdict(
        Next.FAIL,
        reason=Reason.POISON,
        sentence="The GPU node stopped each time it worked on this lesson, and nothing more was "
        "finished. An operator should look at the node's log before it is tried again.",
    )


def lost_here(lost: Sequence[str], job: str) -> tuple[list[str], bool]:
    """The jobs that a node has lost since it last got anywhere, and whether that is too many.

    One job may be to blame for its own losses; two different ones speak against the node.
    """
    all_lost = [*lost, *([] if job in lost else [job])]
    return all_lost, len(all_lost) >= _LOST_JOBS


def _since_gain(past: Sequence[Past], counted: frozenset[AttemptOutcome]) -> list[Past]:
    """The attempts of these outcomes after the last that got anything done.

    An attempt that gained and was lost itself counts as the first of a new series.
    """
    found: list[Past] = []
    for attempt in past:
        if attempt.gained:
            found.clear()
        if attempt.outcome in counted:
            found.append(attempt)
    return found

"""What becomes of a job whose attempt did not succeed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import Reason
from orchestrator.policy.retry import MAY_PASS, MOST_FAILURES, Next, Past, after_failure, after_loss
from orchestrator.states import AttemptOutcome

FAILED, LOST, EXPIRED = AttemptOutcome.FAILED, AttemptOutcome.LOST, AttemptOutcome.EXPIRED
RELEASED = AttemptOutcome.RELEASED


def past(*attempts: tuple[str, AttemptOutcome, bool]) -> list[Past]:
    return [Past(*attempt) for attempt in attempts]


@pytest.mark.parametrize("reason", sorted(set(Reason) - MAY_PASS))
def test_a_mistake_of_the_lesson_is_not_tried_again(reason: Reason) -> None:
    verdict = after_failure(reason, "why", past(("a", FAILED, False)))
    assert (verdict.next, verdict.reason, verdict.sentence) == (Next.FAIL, reason, "why")


def test_a_fault_of_the_machine_is_tried_three_times_and_later_each_time() -> None:
    history: list[Past] = []
    delays = []
    for _ in range(MOST_FAILURES - 1):
        history.append(Past("a", FAILED, gained=False))
        verdict = after_failure(Reason.ENGINE_FAILED, "why", history)
        assert verdict.next is Next.QUEUE
        delays.append(verdict.delay)
    assert delays == sorted(set(delays))
    history.append(Past("a", FAILED, gained=False))
    assert after_failure(Reason.ENGINE_FAILED, "why", history).next is Next.FAIL


POISON = {
    "once": (past(("a", LOST, False)), Next.QUEUE),
    "twice on one node": (past(("a", LOST, False), ("a", EXPIRED, False)), Next.QUEUE),
    "three times on one": (past(*[("a", LOST, False)] * 3), Next.FAIL),
    "on two nodes": (past(("a", LOST, False), ("b", EXPIRED, False)), Next.FAIL),
    "on two, with work done in between": (past(("a", LOST, False), ("b", LOST, True)), Next.QUEUE),
    "three times, the last with a gain": (
        past(("a", LOST, False), ("a", LOST, False), ("a", LOST, True)),
        Next.QUEUE,
    ),
    "three times after a gain": (
        past(("a", LOST, True), ("a", LOST, False), ("a", LOST, False)),
        Next.FAIL,
    ),
    "given back in between": (
        past(("a", LOST, False), ("b", RELEASED, False), ("a", LOST, False)),
        Next.QUEUE,
    ),
}


@pytest.mark.parametrize("case", POISON)
def test_poison(case: str) -> None:
    history, expected = POISON[case]
    verdict = after_loss(history)
    assert verdict.next is expected
    assert (verdict.reason is Reason.POISON) == (expected is Next.FAIL)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([LOST, EXPIRED, RELEASED]))))
def test_a_job_that_always_gains_is_never_poison(
    attempts: list[tuple[str, AttemptOutcome]],
) -> None:
    history = [Past(node, outcome, gained=True) for node, outcome in attempts]
    assert after_loss(history).next is Next.QUEUE


@given(st.integers(3, 9))
def test_a_job_that_only_kills_ends(count: int) -> None:
    assert after_loss([Past("a", LOST, gained=False)] * count).next is Next.FAIL

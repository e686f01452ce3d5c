"""Why a node is as it is, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.steps import Why
from orchestrator.policy.views import FleetView, NodeView, Worker
from orchestrator.policy.wording import WHY, describe, why_words
from orchestrator.states import CloudStatus, Gate, OperationKind, Wanted
from tests.orchestrator.policy.any_fleet import fleets
from tests.orchestrator.policy.nodes import (
    NOW,
    POLICY,
    ago,
    booting,
    leased,
    node,
    operation,
    ready,
)

CASES: dict[str, tuple[NodeView, str]] = {
    "asleep": (node(), "It sleeps, and costs nothing."),
    "idle": (ready(idle=300), "put to sleep in about 10 min."),
    "idle and held": (ready(wanted=Wanted.HELD), "It has nothing to do. An operator holds it"),
    "starting": (booting(since=120), "It starts for about 2 min"),
    "drained": (
        ready(gate=Gate.DRAINING, gate_why=Why.QUARANTINE),
        "It takes no more jobs: it lost two different jobs in a row.",
    ),
    "works, and is drained": (
        leased(gate=Gate.DRAINING, gate_why=Why.MAX_UPTIME),
        "is to take no more jobs: awake for as long as the rules allow.",
    ),
    "backoff": (
        node(not_before=ago(-300), failures=3),
        "It failed 3 times in a row, and is tried again in about 5 min.",
    ),
    "quarantined": (
        node(quarantined_until=ago(-600)),
        "It lost two different jobs in a row, and is given none for about 10 min.",
    ),
    "silent": (
        ready(worker=Worker("b", WorkerState.READY, ago(120))),
        "its worker has not been heard for about 2 min.",
    ),
    "locked in error": (
        booting(cloud=CloudStatus.ERROR, locked=True),
        "The cloud says ERROR: it is of no use as it is. Somebody has locked its server",
    ),
    "a call that may never have been made": (
        node(operation=operation(OperationKind.UNSHELVE, sent_at=None)),
        "Whether the request to wake it was made is being found out.",
    ),
    "work for one that goes to sleep": (
        ready(gate=Gate.STOPPING, gate_why=Why.IDLE, wake_requested=True),
        "There is work for it: it is woken again right after.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(case: str) -> None:
    view, words = CASES[case]
    assert words in describe(view, POLICY, NOW)


def test_what_is_kept_warm_is_not_said_to_go_to_sleep() -> None:
    said = describe(ready(), replace(POLICY, keep_warm=1), NOW)
    assert said == "It has nothing to do."


def test_a_limit_that_was_learned_is_the_one_that_is_told() -> None:
    learned = ready(idle=60, idle_limit=timedelta(minutes=3), idle_limit_since=ago(60))
    assert "in about 2 min." in describe(learned, POLICY, NOW)


@given(fleets())
def test_every_node_has_its_sentence(fleet: FleetView) -> None:
    for view in fleet.nodes:
        assert describe(view, fleet.policy, NOW).endswith(".")


def test_every_reason_has_its_words() -> None:
    assert set(WHY) == set(Why)


def test_a_sentence_is_left_as_it_is() -> None:
    assert why_words("The model qwen2_5 is missing.") == "The model qwen2_5 is missing."
    assert why_words("something_new") == "something new"

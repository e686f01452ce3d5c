"""What people are told while a job waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.policy.forecast import WaitingFor, about, waiting
from orchestrator.policy.views import FleetView
from orchestrator.states import CloudStatus, Gate, OperationKind, Wanted
from tests.orchestrator.policy.nodes import NOW, ago, booting, fleet, leased, node, operation, ready

WAKE = timedelta(seconds=70)

CASES: dict[str, tuple[FleetView, int, WaitingFor, str]] = {
    "asleep": (fleet(node()), 0, WaitingFor.WAKING, "Waking a GPU node, about 1 min."),
    "not seen yet": (
        fleet(node(cloud=CloudStatus.UNKNOWN)),
        0,
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
    ),
    "being woken": (
        fleet(node(operation=operation(OperationKind.UNSHELVE), task="unshelving")),
        0,
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
    ),
    "starting": (
        fleet(booting(since=40)),
        0,
        WaitingFor.BOOTING,
        "The GPU node is starting, about 30 s.",
    ),
    "starting for longer than usual": (
        fleet(booting(since=200)),
        0,
        WaitingFor.BOOTING,
        "The GPU node is starting, about 5 s.",
    ),
    "idle": (fleet(ready()), 0, WaitingFor.QUEUE, "A GPU node is awake and takes it now."),
    "working, next": (
        fleet(leased()),
        0,
        WaitingFor.QUEUE,
        "Waiting for the GPU node to be free: it is next.",
    ),
    "working, one before": (
        fleet(leased()),
        1,
        WaitingFor.QUEUE,
        "Waiting for the GPU node to be free: 1 lesson goes before it.",
    ),
    "working, three before": (
        fleet(leased()),
        3,
        WaitingFor.QUEUE,
        "Waiting for the GPU node to be free: 3 lessons go before it.",
    ),
    "no capacity": (
        fleet(node(not_before=ago(-120), failures=2)),
        0,
        WaitingFor.CAPACITY,
        "No GPU is free at the cloud: trying again in about 2 min.",
    ),
    "going to sleep": (
        fleet(ready(gate=Gate.STOPPING)),
        0,
        WaitingFor.SLEEPING_FIRST,
        "The GPU node was just being put to sleep; it is woken again right after.",
    ),
    "held": (
        fleet(node(wanted=Wanted.HELD)),
        0,
        WaitingFor.NO_NODE,
        "No GPU node is available: all are held by an operator, or none is set up.",
    ),
    "none": (
        fleet(),
        0,
        WaitingFor.NO_NODE,
        "No GPU node is available: all are held by an operator, or none is set up.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(case: str) -> None:
    view, ahead, why, sentence = CASES[case]
    said = waiting(view, NOW, ahead, WAKE)
    assert (said.why, said.sentence) == (why, sentence)


def test_a_job_that_is_tried_again_later() -> None:
    said = waiting(fleet(ready()), NOW + timedelta(minutes=5), 0, WAKE)
    assert said.why is WaitingFor.RETRY
    assert said.sentence.endswith("trying again in about 5 min.")
    assert said.seconds == 300


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "about 5 s"),
        (0, "about 5 s"),
        (12, "about 10 s"),
        (49, "about 50 s"),
        (50, "about 1 min"),
        (89, "about 1 min"),
        (91, "about 2 min"),
    ],
)
def test_nobody_is_promised_seconds(seconds: float, words: str) -> None:
    assert about(timedelta(seconds=seconds)) == words

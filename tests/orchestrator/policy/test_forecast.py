"""What people are told while a job waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.node_api import WorkerState
from orchestrator.policy.budget import Budget, Spent
from orchestrator.policy.forecast import Cloud, Waiting, WaitingFor, about, outlook
from orchestrator.policy.schedule import Queued
from orchestrator.policy.views import FleetView, Lease, Worker
from orchestrator.states import CloudStatus, Gate, OperationKind, Wanted
from tests.orchestrator.policy.any_fleet import fleets, queues
from tests.orchestrator.policy.nodes import (
    JOB,
    NOW,
    POLICY,
    ago,
    booting,
    demand,
    fleet,
    leased,
    node,
    operation,
    ready,
)

WAKE = timedelta(seconds=70)
FULL = Cloud(full=frozenset({"gpu-1"}))


def job(**changes: Any) -> Queued:
    facts: dict[str, Any] = {
        "kind": "dub",
        "urgent": False,
        "not_before": NOW,
        "work": timedelta(minutes=20),
    }
    return Queued(**{**facts, **changes})


def waiting(view: FleetView, ahead: int = 0, cloud: Cloud | None = None, **changes: Any) -> Waiting:
    """Of a job with so many before it."""
    queue = [*(job() for _ in range(ahead)), job(**changes)]
    view = replace(view, usual_wake=WAKE, queue=view.queue or demand(len(queue)))
    return outlook(view, queue, cloud)[-1]


def working(minutes: float = 12, **changes: Any) -> Any:
    lease = Lease(1, JOB, NOW + timedelta(minutes=1), timedelta(minutes=minutes))
    return leased(lease=lease, **changes)


SPENT = {
    "day": replace(POLICY, budget=Budget(day=Decimal(10))),
    "month": replace(POLICY, budget=Budget(day=Decimal(10), month=Decimal(10))),
}

CASES: dict[str, tuple[FleetView, int, Cloud | None, WaitingFor, str, float | None]] = {
    "asleep": (
        fleet(node()),
        0,
        None,
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
        70,
    ),
    "not seen yet": (
        fleet(node(cloud=CloudStatus.UNKNOWN)),
        0,
        None,
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
        70,
    ),
    "asleep, and the cloud does not answer": (
        fleet(node()),
        0,
        Cloud(answers=False),
        WaitingFor.CLOUD,
        "The cloud does not answer at the moment: a GPU node is woken as soon as it does.",
        None,
    ),
    "being woken": (
        fleet(node(operation=operation(OperationKind.UNSHELVE), task="unshelving")),
        0,
        Cloud(answers=False),
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
        65,
    ),
    "starting": (
        fleet(booting(since=40)),
        0,
        None,
        WaitingFor.BOOTING,
        "The GPU node is starting, about 30 s.",
        30,
    ),
    "starting for longer than usual": (
        fleet(booting(since=200)),
        0,
        None,
        WaitingFor.BOOTING,
        "The GPU node is starting, about 5 s.",
        5,
    ),
    "idle": (
        fleet(ready()),
        0,
        None,
        WaitingFor.QUEUE,
        "A GPU node is awake and takes it now.",
        5,
    ),
    "working, next": (
        fleet(working()),
        0,
        None,
        WaitingFor.QUEUE,
        "Waiting for the GPU node to be free, about 12 min: it is next.",
        720,
    ),
    "working, one before": (
        fleet(working()),
        1,
        None,
        WaitingFor.QUEUE,
        "Waiting for the GPU node to be free, about 32 min: 1 lesson goes before it.",
        1920,
    ),
    "two work": (
        fleet(working(), working(50, name="gpu-2")),
        2,
        None,
        WaitingFor.QUEUE,
        "Waiting for a GPU node to be free, about 50 min: 2 lessons go before it.",
        3000,
    ),
    "no capacity": (
        fleet(node(not_before=ago(-120), failures=2)),
        0,
        FULL,
        WaitingFor.CAPACITY,
        "No GPU is free at the cloud: trying again in about 2 min.",
        190,
    ),
    "it did not come up": (
        fleet(node(not_before=ago(-120), failures=2)),
        0,
        None,
        WaitingFor.BACKOFF,
        "The GPU node could not be woken: trying again in about 2 min.",
        190,
    ),
    "quarantined": (
        fleet(node(quarantined_until=ago(-600))),
        0,
        None,
        WaitingFor.QUARANTINE,
        "The GPU node lost two different jobs in a row and is given none for a while: "
        "trying again in about 10 min.",
        670,
    ),
    "reserved": (
        fleet(node(cloud=CloudStatus.SHELVED)),
        0,
        None,
        WaitingFor.WAKING,
        "Waking a GPU node, about 1 min.",
        70,
    ),
    "going to sleep": (
        fleet(ready(gate=Gate.STOPPING)),
        0,
        None,
        WaitingFor.SLEEPING_FIRST,
        "The GPU node was just being put to sleep; it is woken again right after.",
        140,
    ),
    "powered off": (
        fleet(booting(cloud=CloudStatus.SHUTOFF)),
        0,
        None,
        WaitingFor.SLEEPING_FIRST,
        "The GPU node was just being put to sleep; it is woken again right after.",
        140,
    ),
    "silent": (
        fleet(ready(worker=Worker("boot-0001", WorkerState.READY, ago(60)))),
        0,
        None,
        WaitingFor.TROUBLE,
        "The GPU node does not answer: it is started anew if that goes on.",
        440,
    ),
    "broken": (
        fleet(ready(worker=Worker("boot-0001", WorkerState.BROKEN, NOW))),
        0,
        None,
        WaitingFor.TROUBLE,
        "The GPU node is awake but cannot work: it is started anew if that goes on.",
        440,
    ),
    "today's budget is spent": (
        fleet(ready(), policy=SPENT["day"], spent=Spent(Decimal(10), Decimal(10))),
        0,
        None,
        WaitingFor.BUDGET,
        "The budget of today is spent: only urgent jobs are begun.",
        None,
    ),
    "the month's budget is spent": (
        fleet(ready(), policy=SPENT["month"], spent=Spent(Decimal(10), Decimal(10))),
        0,
        None,
        WaitingFor.BUDGET,
        "The budget of this month is spent: only urgent jobs are begun.",
        None,
    ),
    "held": (
        fleet(node(wanted=Wanted.HELD)),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: it is held by an operator.",
        None,
    ),
    "in error": (
        fleet(node(cloud=CloudStatus.ERROR)),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: it is in error at the cloud.",
        None,
    ),
    "locked": (
        fleet(node(locked=True)),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: it is locked by somebody at the cloud.",
        None,
    ),
    "several out of use": (
        fleet(
            node(wanted=Wanted.HELD),
            node(name="gpu-2", cloud=CloudStatus.DELETED),
            node(name="gpu-3", parked=True),
            node(name="gpu-4", wanted=Wanted.HELD),
        ),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: 2 are held by an operator, 1 is gone from the cloud, "
        "1 is drained by an operator.",
        None,
    ),
    "none does it": (
        fleet(ready(kinds=frozenset({"toy"}))),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: none does jobs of the kind “dub”.",
        None,
    ),
    "none": (
        fleet(),
        0,
        None,
        WaitingFor.NO_NODE,
        "No GPU node is available: none is set up.",
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(case: str) -> None:
    view, ahead, cloud, why, sentence, seconds = CASES[case]
    said = waiting(view, ahead, cloud)
    assert (said.why, said.sentence, said.seconds) == (why, sentence, seconds)


def test_an_urgent_job_is_begun_although_the_budget_is_spent() -> None:
    view = fleet(ready(), policy=SPENT["day"], spent=Spent(day=Decimal(11)))
    assert waiting(view, urgent=True).why is WaitingFor.QUEUE


def test_jobs_that_nobody_pays_for_do_not_go_before_an_urgent_one() -> None:
    view = fleet(working(), policy=SPENT["day"], spent=Spent(day=Decimal(11)))
    assert waiting(view, 3, urgent=True).sentence.endswith("about 12 min: it is next.")


def test_a_job_that_is_tried_again_later() -> None:
    said = waiting(fleet(ready()), not_before=NOW + timedelta(minutes=5))
    assert said.why is WaitingFor.RETRY
    assert said.sentence.endswith("trying again in about 5 min.")
    assert said.seconds == 300


@given(st.data())
def test_whatever_the_fleet_is_like_every_job_has_its_sentence(data: st.DataObject) -> None:
    queue = data.draw(queues())
    view = data.draw(fleets(queue))
    cloud = Cloud(data.draw(st.booleans()), frozenset({"gpu-0"}))
    for said in outlook(view, queue, cloud):
        assert said.sentence.endswith(".")
        assert "  " not in said.sentence
        assert said.seconds is None or said.seconds >= 0
        assert said.why is not WaitingFor.NOTHING


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
        (5370, "about 90 min"),
        (7200, "about 2 h"),
        (260000, "about 3 days"),
    ],
)
def test_nobody_is_promised_seconds(seconds: float, words: str) -> None:
    assert about(timedelta(seconds=seconds)) == words

"""What operators tell a node: tried again, let go, called something else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator import fleet_control, jobs, ledger
from orchestrator.enrol import enrol, node_of
from orchestrator.fleet_control import OrderRefused
from orchestrator.fleet_report import fleet_report
from orchestrator.forecast import waiting
from orchestrator.models import Alert, Attempt, CloudOperation, LedgerEntry, Node, NodeEvent
from orchestrator.policy.planner import plan
from orchestrator.policy.steps import Call
from orchestrator.retired import retired_at
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import fleet_view
from orchestrator.states import Cause, CloudStatus, OperationKind, Wanted
from tests.orchestrator.rows import KIND, ManualClock, claimed, enrolled, submitted, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def asleep(clock: ManualClock) -> Node:
    return enrolled("gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)


def calls(clock: ManualClock) -> list[str]:
    return [step.node for step in plan(fleet_view(clock.now())) if isinstance(step, Call)]


@pytest.mark.parametrize(
    "trouble",
    [
        {"failures": 4, "not_before": True},
        {"quarantined_until": True, "lost_jobs": ["a", "b"]},
    ],
)
def test_a_node_that_is_tried_again_is_woken_at_once(
    clock: ManualClock, asleep: Node, trouble: dict[str, object]
) -> None:
    later = clock.now() + timedelta(minutes=20)
    changes = {key: later if value is True else value for key, value in trouble.items()}
    Node.objects.filter(pk=asleep.pk).update(**changes)
    submitted(clock)
    assert calls(clock) == []
    fleet_control.retry(asleep, "ops", clock.now())
    assert calls(clock) == ["gpu-1"]
    asleep.refresh_from_db()
    assert (asleep.failures, asleep.lost_jobs) == (0, [])
    assert NodeEvent.objects.latest("pk").what == "retried"


def test_a_retired_node_keeps_its_history_and_leaves_its_name(
    clock: ManualClock, asleep: Node
) -> None:
    submitted(clock)
    Node.objects.filter(pk=asleep.pk).update(cloud_status=CloudStatus.ACTIVE)
    job = claimed(asleep, clock)
    ended = Attempt.objects.get()
    Attempt.objects.filter(pk=ended.pk).update(outcome="succeeded")
    ledger.enter(asleep.pk, Cause.JOB, clock.now())
    clock.advance(60)
    ledger.enter(asleep.pk, None, clock.now())
    Node.objects.filter(pk=asleep.pk).update(cloud_status=CloudStatus.SHELVED_OFFLOADED)
    asleep.refresh_from_db()
    fleet_control.retire(asleep, "ops", clock.now())
    assert asleep.name == "gpu-1-retired-20261121"
    assert retired_at(asleep) == clock.now()
    assert Attempt.objects.get().node_id == asleep.pk
    assert LedgerEntry.objects.filter(node=asleep, ended_at__isnull=False).exists()
    assert node_of(token_of("gpu-1")) is None
    again = enrol("gpu-1", "server-gpu-1", token_of("gpu-1"), clock.now())
    assert again.pk != asleep.pk
    assert job.job


def test_a_retired_node_is_neither_shown_nor_woken_nor_given_work(
    clock: ManualClock, asleep: Node
) -> None:
    fleet_control.retire(asleep, "ops", clock.now())
    job = submitted(clock)
    assert fleet_report(clock.now()).nodes == ()
    assert waiting(job, clock.now()).sentence == "No GPU node is available: none is set up."
    assert calls(clock) == []
    assert jobs.claim(asleep, "boot", [KIND], clock.now()) is None


@pytest.mark.parametrize("order", ["hold", "drain", "release", "retry", "retire"])
def test_a_retired_node_takes_no_orders(clock: ManualClock, asleep: Node, order: str) -> None:
    fleet_control.retire(asleep, "ops", clock.now())
    with pytest.raises(OrderRefused, match="is retired"):
        getattr(fleet_control, order)(asleep, "ops", clock.now())
    asleep.refresh_from_db()
    assert asleep.wanted == Wanted.HELD


def test_two_of_one_name_may_be_retired_on_one_day(clock: ManualClock) -> None:
    names = []
    for _ in range(3):
        node = enrolled(
            "gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None
        )
        fleet_control.retire(node, "ops", clock.now())
        names.append(node.name)
    assert names == [f"gpu-1-retired-20261121{end}" for end in ("", "-2", "-3")]


def test_the_longest_name_still_finds_room(clock: ManualClock) -> None:
    node = enrolled("g" * 57, clock, cloud_status=CloudStatus.DELETED, awake_since=None)
    fleet_control.retire(node, "ops", clock.now())
    assert len(node.name) == 63
    assert node.name.endswith("-retired-20261121")


@pytest.mark.parametrize("status", [CloudStatus.ACTIVE, CloudStatus.SHUTOFF, CloudStatus.ERROR])
def test_one_that_costs_money_is_not_let_go(
    clock: ManualClock, asleep: Node, status: CloudStatus
) -> None:
    Node.objects.filter(pk=asleep.pk).update(cloud_status=status)
    with pytest.raises(OrderRefused, match="gpu-1 is awake: drain it before it is retired"):
        fleet_control.retire(asleep, "ops", clock.now())
    with pytest.raises(OrderRefused, match="is awake: drain it before it is renamed"):
        fleet_control.rename(asleep, "gpu-2", "ops", clock.now())


def test_one_that_has_a_job_is_not_let_go(clock: ManualClock, asleep: Node) -> None:
    submitted(clock)
    claimed(asleep, clock)
    with pytest.raises(OrderRefused, match="gpu-1 has a job"):
        fleet_control.retire(asleep, "ops", clock.now())


def test_one_that_is_being_woken_is_not_let_go(clock: ManualClock, asleep: Node) -> None:
    CloudOperation.objects.create(
        node=asleep,
        kind=OperationKind.UNSHELVE,
        intended_at=clock.now(),
        deadline=clock.now() + timedelta(minutes=30),
    )
    with pytest.raises(OrderRefused, match="is awake"):
        fleet_control.retire(asleep, "ops", clock.now())


def test_one_that_the_settings_name_is_not_let_go(
    clock: ManualClock, asleep: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_SERVERS", "gpu-1,gpu-2")
    fleet_settings.cache_clear()
    for order in (fleet_control.retire, lambda n, by, at: fleet_control.rename(n, "b", by, at)):
        with pytest.raises(OrderRefused, match="out of FLEET_SERVERS first"):
            order(asleep, "ops", clock.now())


def test_a_renamed_node_takes_its_alerts_along(clock: ManualClock, asleep: Node) -> None:
    Alert.objects.create(
        kind="quarantined", node=asleep, subject="gpu-1", sentence="It.", raised_at=clock.now()
    )
    fleet_control.rename(asleep, "big-1", "ops", clock.now())
    assert asleep.name == "big-1"
    assert Alert.objects.get().subject == "big-1"
    assert NodeEvent.objects.latest("pk").sentence == "Renamed by ops; it was called gpu-1."
    assert node_of(token_of("gpu-1")) == asleep


@pytest.mark.parametrize("name", ["", "Big", "a b", "-a", "a" * 64, "a/b", "ü"])
def test_a_name_that_would_not_do_is_refused(clock: ManualClock, asleep: Node, name: str) -> None:
    with pytest.raises(OrderRefused, match="small letters"):
        fleet_control.rename(asleep, name, "ops", clock.now())


def test_a_name_that_is_taken_is_refused(clock: ManualClock, asleep: Node) -> None:
    enrolled("gpu-2", clock)
    with pytest.raises(OrderRefused, match="called gpu-2 already"):
        fleet_control.rename(asleep, "gpu-2", "ops", clock.now())

"""Races and failures that other fleets have lost, one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.ledger import seconds_by_cause, stretches
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.policy.planner import backoff
from orchestrator.providers.local_state import Fault
from orchestrator.reconciler import Reconciler
from orchestrator.states import (
    AttemptOutcome,
    Cause,
    CloudStatus,
    Gate,
    JobState,
    OperationKind,
    OperationOutcome,
)
from tests.orchestrator.simulation.world import BEAT, IDLE, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = World()
    # One node is enough for most of it, and the site has been up for a while.
    world.order("gpu-2", "drain")
    world.live(20)
    return world


def node() -> Node:
    return Node.objects.get(name="gpu-1")


def spent() -> dict[Cause, float]:
    entries = stretches(LedgerEntry.objects.filter(node=node()))
    first = min(entry.start for entry in entries)
    last = max(entry.end for entry in entries if entry.end is not None)
    return dict(seconds_by_cause(entries, first, last))


def test_a_lesson_from_the_button_to_the_sleep_after_it(world: World) -> None:
    world.submit()
    world.settle_one()
    assert Job.objects.get().state == JobState.SUCCEEDED
    assert set(spent()) == {Cause.BOOT, Cause.JOB, Cause.IDLE, Cause.DRAIN, Cause.SHELVING}
    assert IDLE <= spent()[Cause.IDLE] <= IDLE + 2 * BEAT
    assert sum(spent().values()) >= world.cloud.servers["server-gpu-1"].billed


def test_an_unshelve_without_capacity_is_noticed_by_the_next_look(world: World) -> None:
    world.fault("gpu-1", Fault.NO_CAPACITY)
    world.submit()
    world.tick()
    world.live(4)
    failed = CloudOperation.objects.get()
    assert (failed.outcome, failed.reason) == (OperationOutcome.FAILED, "no_capacity")
    assert node().failures == 1
    assert failed.resolved_at is not None
    waits = node().not_before
    assert waits is not None
    assert backoff(1) <= waits - failed.resolved_at <= backoff(1, jitter=1)
    assert not LedgerEntry.objects.filter(ended_at=None).exists()
    world.settle_one()
    assert Job.objects.get().state == JobState.SUCCEEDED


def test_a_shelve_that_fails_is_tried_again_and_billed_until_it_works(world: World) -> None:
    world.fault("gpu-1", Fault.SHELVE_FAILS)
    world.submit()
    world.settle_one()
    shelves = CloudOperation.objects.filter(kind=OperationKind.SHELVE).order_by("pk")
    assert [one.outcome for one in shelves] == [
        OperationOutcome.FAILED,
        OperationOutcome.SUCCEEDED,
    ]
    assert sum(spent().values()) >= world.cloud.servers["server-gpu-1"].billed


def test_work_that_comes_while_a_node_is_stopping_wakes_it_again(world: World) -> None:
    world.submit()
    world.until(lambda: node().gate == Gate.STOPPING)
    world.submit()
    world.tick()
    assert node().wake_requested
    world.settle_one()
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.SUCCEEDED}
    wakes = CloudOperation.objects.filter(kind=OperationKind.UNSHELVE)
    assert wakes.count() == 2


def test_work_that_comes_while_a_node_is_draining_keeps_it_awake(world: World) -> None:
    world.submit()
    world.until(lambda: node().worker_state == "ready" and not world.busy())
    Node.objects.filter(name="gpu-1").update(gate=Gate.DRAINING)
    world.submit()
    world.settle_one()
    assert CloudOperation.objects.filter(kind=OperationKind.UNSHELVE).count() == 1


def test_a_lost_answer_does_not_wake_a_node_twice(world: World) -> None:
    world.cloud.lost_answers = 1
    world.submit()
    world.settle_one()
    wakes = CloudOperation.objects.filter(kind=OperationKind.UNSHELVE)
    assert wakes.count() == 1
    actions = world.cloud.servers["server-gpu-1"].state.actions
    assert [one.kind for one in actions] == [OperationKind.SHELVE, OperationKind.UNSHELVE]


def test_a_server_whose_worker_never_comes_is_given_up(world: World) -> None:
    world.fault("gpu-1", Fault.BOOT_HANGS)
    world.submit()
    world.until(lambda: node().cloud_status == CloudStatus.SHELVED_OFFLOADED and node().failures)
    # It runs after 40 s, and has 120 from then on.
    assert spent()[Cause.BOOT] <= 40 + 120 + 2 * BEAT
    world.settle_one()
    assert Job.objects.get().state == JobState.SUCCEEDED


def test_the_site_away_for_longer_than_a_lease_takes_no_job_away(world: World) -> None:
    world.submit()
    world.until(world.busy)
    world.go_away(site=True, orchestrator=False, cloud=False)
    world.live(60)
    world.go_away(site=False, orchestrator=False, cloud=False)
    world.settle_one()
    attempt = Attempt.objects.get()
    assert attempt.outcome == AttemptOutcome.SUCCEEDED


def test_a_node_that_dies_with_its_job_loses_it_after_the_lease(world: World) -> None:
    world.submit()
    world.until(world.busy)
    world.kill("gpu-1")
    world.settle_one()
    outcomes = list(Attempt.objects.order_by("number").values_list("outcome", flat=True))
    assert outcomes == [AttemptOutcome.LOST, AttemptOutcome.SUCCEEDED]


def test_a_held_node_stays_awake_and_is_accounted_as_held(world: World) -> None:
    world.submit()
    world.until(lambda: node().worker_state == "ready" and not world.busy())
    world.order("gpu-1", "hold")
    world.live(200)
    assert node().cloud_status == CloudStatus.ACTIVE
    world.order("gpu-1", "release")
    world.settle_one()
    assert spent()[Cause.HOLD] >= 199 * BEAT


def test_a_drained_node_stays_asleep_until_it_is_released(world: World) -> None:
    world.order("gpu-1", "drain")
    world.submit()
    world.live(100)
    assert Job.objects.get().state == JobState.QUEUED
    assert node().cloud_status == CloudStatus.SHELVED_OFFLOADED
    world.order("gpu-1", "release")
    world.settle_one()
    assert Job.objects.get().state == JobState.SUCCEEDED


def test_two_orchestrators_at_once(world: World) -> None:
    """The second does nothing, and what it was rung for is not forgotten."""
    until = world.clock.now() + timedelta(seconds=30)
    FleetState.objects.update(tick_token="another", tick_until=until)  # noqa: S106  # no secret
    world.submit()
    report = Reconciler(world.cloud, world.clock, lambda: True).tick()
    assert report.skipped
    assert FleetState.objects.get().tick_again
    assert not CloudOperation.objects.exists()


def test_an_orchestrator_that_lost_its_lease_makes_no_call(world: World) -> None:
    world.submit()
    reconciler = Reconciler(world.cloud, world.clock, world.taken_over)
    reconciler.tick()
    assert not world.cloud.servers["server-gpu-1"].state.actions


@pytest.mark.parametrize("looks", range(1, 31, 3))
def test_killed_at_every_look_at_the_clock(world: World, looks: int) -> None:
    world.submit()
    world.tick_and_die(looks)
    world.live(20)
    world.tick_and_die(looks)
    world.settle_one()
    assert Job.objects.get().state == JobState.SUCCEEDED
    actions = [one.kind for one in world.cloud.servers["server-gpu-1"].state.actions]
    assert actions == [OperationKind.SHELVE, OperationKind.UNSHELVE]

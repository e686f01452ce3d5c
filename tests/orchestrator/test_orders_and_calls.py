"""What an operator says counts at once, also for a call that was planned before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gpu_node.contracts.node_api import WorkerState
from orchestrator import fleet_control, jobs
from orchestrator.cloud_calls import CloudCalls
from orchestrator.gates import Gates, no_shell
from orchestrator.models import Alert, Attempt, CloudOperation, LedgerEntry, Node
from orchestrator.policy import steps
from orchestrator.policy.alerts import AlertKind
from orchestrator.policy.planner import plan
from orchestrator.policy.views import FleetView
from orchestrator.providers.port import ActionFacts, CloudError, CloudErrorKind, ServerFacts
from orchestrator.states import (
    AttemptOutcome,
    Cause,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
    Wanted,
)
from tests.orchestrator.lone_server import ASLEEP, SERVER, running, tick
from tests.orchestrator.rows import (
    ManualClock,
    beat,
    claimed,
    enrolled,
    job_beat,
    submitted,
)
from tests.orchestrator.simulation.cloud import SimulatedCloud

pytestmark = pytest.mark.django_db

Order = Callable[[Node, str, datetime], None]


class LosingCloud(SimulatedCloud):
    """It loses requests, and tells nobody what was asked of it, when told to."""

    loses = False
    tells = True
    locked = False

    def unshelve(self, server_id: str) -> str:
        self._lose()
        return super().unshelve(server_id)

    def shelve(self, server_id: str) -> str:
        self._lose()
        return super().shelve(server_id)

    def list(self) -> Sequence[ServerFacts]:
        mine = super().list()
        return [replace(one, locked=self.locked and one.name == SERVER) for one in mine]

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        if not self.tells:
            raise CloudError(CloudErrorKind.AUTH, "The access rules leave this out.")
        return super().actions(server_id)

    def _lose(self) -> None:
        if self.loses:
            raise CloudError(CloudErrorKind.TRANSIENT, "The cloud does not answer.")


def run(
    cloud: SimulatedCloud, clock: ManualClock, seconds: float, node: Node | None = None
) -> None:
    for _ in range(int(seconds / 10)):
        clock.advance(10)
        if node is not None:
            beat(node, clock)
        tick(cloud, clock)


@pytest.mark.parametrize("order", [fleet_control.hold, fleet_control.drain])
def test_a_waking_that_was_not_sent_is_called_off(clock: ManualClock, order: Order) -> None:
    node = enrolled("gpu-1", clock, **ASLEEP)
    cloud = LosingCloud([SERVER], clock.now)
    cloud.loses = True
    submitted(clock)
    tick(cloud, clock)
    cloud.loses = False
    order(node, "ops", clock.now())
    run(cloud, clock, 120)
    operation = CloudOperation.objects.get()
    assert (operation.outcome, operation.reason) == (OperationOutcome.FAILED, "called_off")
    node.refresh_from_db()
    assert (node.failures, node.not_before) == (0, None), "it is nobody's failure"
    assert cloud.servers[SERVER].state.task_state is None
    fleet_control.release(node, "ops", clock.now())
    run(cloud, clock, 20)
    assert cloud.servers[SERVER].state.task_state is not None


def test_a_shelving_that_was_not_sent_is_called_off(clock: ManualClock, node: Node) -> None:
    cloud = LosingCloud([SERVER], clock.now)
    running(cloud)
    Node.objects.update(gate=Gate.STOPPING, gate_since=clock.now())
    cloud.loses = True
    clock.advance(60)
    tick(cloud, clock)
    cloud.loses = False
    fleet_control.hold(node, "ops", clock.now())
    run(cloud, clock, 120)
    assert CloudOperation.objects.get().outcome == OperationOutcome.FAILED
    server = cloud.servers[SERVER].state
    assert (server.status, server.task_state) == (CloudStatus.ACTIVE, None)


def test_a_gate_does_not_close_on_a_node_that_is_held_meanwhile(
    clock: ManualClock, node: Node
) -> None:
    beat(node, clock)
    fleet_control.hold(node, "ops", clock.now())
    closing = steps.Move("gpu-1", Gate.OPEN, Gate.DRAINING, steps.Why.IDLE)
    assert not Gates(clock, no_shell).do(closing)
    submitted(clock)
    claimed(node, clock)


def test_a_call_of_which_nothing_can_be_learned_is_told_and_others_are_woken(
    clock: ManualClock,
) -> None:
    """It counted as a node that is coming, for ever, and nobody was told."""
    for name in ("gpu-1", "gpu-2"):
        enrolled(name, clock, **ASLEEP)
    cloud = LosingCloud([SERVER, "server-gpu-2"], clock.now)
    submitted(clock)
    cloud.loses, cloud.tells = True, False
    tick(cloud, clock)
    cloud.loses = False
    run(cloud, clock, 300)
    assert Alert.objects.filter(kind=AlertKind.CALL_UNKNOWN, cleared_at=None).count() == 1
    run(cloud, clock, 1600)
    asked = CloudOperation.objects.filter(kind=OperationKind.UNSHELVE, node__name="gpu-2")
    assert asked.exists()


def test_a_node_that_is_to_rest_since_the_plan_was_made_is_not_woken(clock: ManualClock) -> None:
    node = enrolled("gpu-1", clock, **ASLEEP)
    submitted(clock)
    Node.objects.filter(pk=node.pk).update(not_before=clock.now() + timedelta(seconds=60))
    calls = CloudCalls(SimulatedCloud([SERVER], clock.now), clock, "mine")
    wake = steps.Call("gpu-1", OperationKind.UNSHELVE, steps.Why.DEMAND)
    assert calls.call(wake) is None
    clock.advance(61)
    assert calls.call(wake) is not None


@pytest.mark.parametrize("order", [fleet_control.release, fleet_control.drain])
def test_our_own_waking_stays_our_boot_whatever_is_said_of_it(
    clock: ManualClock, order: Order
) -> None:
    node = enrolled("gpu-1", clock, **ASLEEP)
    submitted(clock)
    cloud = SimulatedCloud([SERVER], clock.now)
    tick(cloud, clock)
    clock.advance(10)
    tick(cloud, clock)
    order(node, "ops", clock.now())
    Node.objects.filter(pk=node.pk).update(gate=Gate.OPEN)
    running(cloud)
    for _ in range(3):
        clock.advance(10)
        tick(cloud, clock)
    causes = set(LedgerEntry.objects.values_list("cause", flat=True))
    assert Cause.EXTERNAL not in causes
    assert Cause.BOOT in causes


def test_a_plan_that_stood_still_for_long_does_nothing(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    beat(node, clock)
    run(cloud, clock, 1000, node)
    Node.objects.update(gate=Gate.OPEN, gate_why="", wanted=Wanted.AWAKE)

    def slow(fleet: FleetView) -> tuple[steps.Step, ...]:
        found = plan(fleet)
        clock.advance(11)
        return found

    monkeypatch.setattr("orchestrator.reconciler.plan", slow)
    beat(node, clock)
    assert tick(cloud, clock) == []
    node.refresh_from_db()
    assert node.gate == Gate.OPEN


@pytest.mark.parametrize("seen", [True, False], ids=["the worker is heard", "everything is away"])
def test_at_max_uptime_a_job_is_asked_for_however_late_that_is_noticed(
    clock: ManualClock, node: Node, seen: bool
) -> None:
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    beat(node, clock)
    tick(cloud, clock)
    job = submitted(clock)
    held = claimed(node, clock)
    Node.objects.update(awake_since=clock.now() - timedelta(hours=12) + timedelta(seconds=60))
    for _ in range(120 if seen else 1):
        clock.advance(5 if seen else 600)
        if seen:
            jobs.heartbeat(node, job.pk, job_beat(held, 1), clock.now())
    # Nobody has planned in all that time. Now the node is asked, and has its time to give it back.
    beat(node, clock)
    tick(cloud, clock)
    node.refresh_from_db()
    assert (node.gate, node.gate_why) == (Gate.DRAINING, steps.Why.MAX_UPTIME)
    assert Attempt.objects.get().outcome == AttemptOutcome.RUNNING
    jobs.heartbeat(node, job.pk, job_beat(held, 2), clock.now())
    for _ in range(14):
        clock.advance(10)
        beat(node, clock)
        jobs.heartbeat(node, job.pk, job_beat(held, 2), clock.now())
        tick(cloud, clock)
    assert Attempt.objects.get().outcome == AttemptOutcome.RUNNING
    run(cloud, clock, 30, node)
    assert Attempt.objects.get().outcome == AttemptOutcome.RELEASED
    assert Attempt.objects.get().steps == 2


def test_a_job_is_not_taken_from_a_node_that_is_held_meanwhile(
    clock: ManualClock, node: Node
) -> None:
    submitted(clock)
    claimed(node, clock)
    Node.objects.update(gate=Gate.DRAINING, gate_why=steps.Why.MAX_UPTIME)
    fleet_control.hold(node, "ops", clock.now())
    assert not jobs.preempt(Attempt.objects.get().pk, clock.now())


def test_while_the_cloud_is_away_an_idle_node_stays_at_hand(clock: ManualClock, node: Node) -> None:
    """It is paid for anyway; its worker was stopped, and could not be shelved."""
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    run(cloud, clock, 100, node)
    cloud.away = True
    run(cloud, clock, 1200, node)
    node.refresh_from_db()
    assert node.gate == Gate.DRAINING
    submitted(clock)
    run(cloud, clock, 10, node)
    claimed(node, clock)


@pytest.mark.parametrize("locked", [False, True], ids=["held", "locked"])
def test_a_node_whose_worker_never_comes_is_no_help_for_ever(
    clock: ManualClock, locked: bool
) -> None:
    """Held or locked, it is not given up; the job is done elsewhere."""
    enrolled("gpu-1", clock)
    enrolled("gpu-2", clock, **ASLEEP)
    cloud = LosingCloud([SERVER, "server-gpu-2"], clock.now)
    running(cloud)
    cloud.locked = locked
    if not locked:
        Node.objects.filter(name="gpu-1").update(wanted=Wanted.HELD)
    submitted(clock)
    run(cloud, clock, 280)
    assert not CloudOperation.objects.exists()
    run(cloud, clock, 60)
    assert CloudOperation.objects.filter(node__name="gpu-2").exists()


def test_a_worker_that_only_ever_stops_is_no_help_for_ever(clock: ManualClock, node: Node) -> None:
    enrolled("gpu-2", clock, **ASLEEP)
    cloud = SimulatedCloud([SERVER, "server-gpu-2"], clock.now)
    running(cloud)
    beat(node, clock)
    run(cloud, clock, 20)
    submitted(clock)
    for _ in range(45):
        clock.advance(10)
        beat(node, clock, WorkerState.STOPPING)
        tick(cloud, clock)
    assert CloudOperation.objects.filter(node__name="gpu-2").exists()
    node.refresh_from_db()
    assert node.gate != Gate.OPEN

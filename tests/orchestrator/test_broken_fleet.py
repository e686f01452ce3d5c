"""Attempts at breaking the fleet: clocks set back, servers that vanish, answers that are lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gpu_node.contracts.node_api import WorkerState
from orchestrator import fleet_control, ledger
from orchestrator.accounting import account_all
from orchestrator.enrol import enrol
from orchestrator.gates import Gates, no_shell
from orchestrator.models import CloudOperation, FleetState, LedgerEntry, Node
from orchestrator.policy import steps
from orchestrator.providers.port import ActionFacts, CloudError, CloudErrorKind, ServerFacts
from orchestrator.reconciler import Reconciler
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import node_views
from orchestrator.states import (
    Cause,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
)
from tests.orchestrator.rows import ManualClock, beat, enrolled, submitted, token_of
from tests.orchestrator.simulation.cloud import SimulatedCloud

pytestmark = pytest.mark.django_db


class VanishingCloud(SimulatedCloud):
    """A cloud in which a server was deleted."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__([], clock.now)

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        raise CloudError(CloudErrorKind.GONE, f"There is no server {server_id}.")


class SlowCloud(SimulatedCloud):
    """A cloud whose answers to requests to wake are lost, after a while."""

    def __init__(self, clock: ManualClock, lost: float) -> None:
        super().__init__(["server-gpu-1"], clock.now)
        self.lost_answers = 1
        self._clock = clock
        self._lost = lost

    def unshelve(self, server_id: str) -> str:
        try:
            return super().unshelve(server_id)
        finally:
            self._clock.advance(self._lost)


def tick(cloud: SimulatedCloud, clock: ManualClock) -> Reconciler:
    reconciler = Reconciler(cloud, clock, lambda: True)
    reconciler.tick()
    return reconciler


def asleep(clock: ManualClock) -> Node:
    return enrolled("gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)


def test_a_server_that_is_deleted_before_its_waking_is_known_ends_the_operation(
    clock: ManualClock,
) -> None:
    """It was asked about for ever, and its node billed for ever."""
    node = asleep(clock)
    intended = {"intended_at": clock.now(), "deadline": clock.now() + timedelta(hours=1)}
    CloudOperation.objects.create(node=node, kind=OperationKind.UNSHELVE, **intended)
    clock.advance(120)
    cloud = VanishingCloud(clock)
    for _ in range(2):
        tick(cloud, clock)
        clock.advance(10)
    operation = CloudOperation.objects.get()
    assert (operation.outcome, operation.reason) == (OperationOutcome.FAILED, "gone")
    assert not LedgerEntry.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("beats", [False, True])
def test_a_waking_whose_answer_is_lost_is_billed_from_the_request(
    clock: ManualClock, beats: bool
) -> None:
    node = asleep(clock)
    submitted(clock)
    asked = clock.advance(5)
    cloud = SlowCloud(clock, lost=20)
    tick(cloud, clock)
    if beats:
        beat(node, clock)
    # By then whoever asked has had the time to hear an answer.
    clock.advance(40)
    tick(cloud, clock)
    assert CloudOperation.objects.get().outcome == OperationOutcome.SENT
    waking = ledger.wakings(ledger.stretches(LedgerEntry.objects.all()))
    assert [one[0].start for one in waking] == [asked]
    assert waking[0][0].cause is Cause.BOOT


def test_what_a_cloud_said_too_late_is_not_written_over_the_newer(clock: ManualClock) -> None:
    asleep(clock)

    class Overtaken(SimulatedCloud):
        def list(self) -> Sequence[ServerFacts]:
            facts = super().list()
            # It took so long that another orchestrator has taken over and seen it awake.
            FleetState.objects.update(tick_token="another")  # noqa: S106  # no secret
            Node.objects.update(cloud_status=CloudStatus.ACTIVE, cloud_seen_at=clock.advance(60))
            return facts

    tick(Overtaken(["server-gpu-1"], clock.now), clock)
    assert Node.objects.get().cloud_status == CloudStatus.ACTIVE


def test_a_clock_that_was_set_back_does_not_stop_the_ticks(clock: ManualClock) -> None:
    """An orchestrator was killed in its tick; then the clock went an hour back."""
    asleep(clock)
    cloud = SimulatedCloud(["server-gpu-1"], clock.now)
    until = clock.now() + timedelta(seconds=40)
    FleetState.objects.create(pk=1, tick_token="killed", tick_until=until)  # noqa: S106  # no secret
    clock.advance(-3600)
    assert not Reconciler(cloud, clock, lambda: True).tick().skipped


def test_a_node_that_somebody_releases_again_and_again_still_falls_asleep(
    clock: ManualClock, node: Node
) -> None:
    """Each release began its idle time anew, although nobody had held it."""
    beat(node, clock)
    node.refresh_from_db()
    began, ready = node.busy_until, node.ready_at
    clock.advance(600)
    fleet_control.release(node, "ops", clock.now())
    node.refresh_from_db()
    assert (node.busy_until, node.ready_at) == (began, ready)
    fleet_control.hold(node, "ops", clock.now())
    clock.advance(600)
    fleet_control.release(node, "ops", clock.now())
    node.refresh_from_db()
    assert node.busy_until == clock.now()


def test_idling_too_long_before_a_hold_or_a_drain_is_a_failure(
    clock: ManualClock, node: Node
) -> None:
    beat(node, clock)
    clock.advance(7200)
    beat(node, clock)
    fleet_control.hold(node, "ops", clock.now())
    settings = fleet_settings()
    longest = settings.fleet_idle_minutes * 60 + settings.fleet_tick_seconds
    idle = LedgerEntry.objects.get(cause=Cause.IDLE)
    assert idle.ended_at == idle.started_at + timedelta(seconds=longest)
    causes = list(LedgerEntry.objects.order_by("pk").values_list("cause", flat=True))
    assert causes == [Cause.IDLE, Cause.FAILURE, Cause.HOLD]


def test_a_gate_that_closes_late_does_not_make_the_idle_time_longer(
    clock: ManualClock, node: Node
) -> None:
    beat(node, clock)
    clock.advance(7200)
    beat(node, clock)
    closing = steps.Move("gpu-1", Gate.OPEN, Gate.DRAINING, steps.Why.IDLE)
    assert Gates(clock, no_shell).do(closing)
    account_all(clock, node_views())
    causes = list(LedgerEntry.objects.order_by("pk").values_list("cause", flat=True))
    assert causes == [Cause.IDLE, Cause.FAILURE, Cause.DRAIN]


def test_a_server_or_a_token_is_one_nodes_alone(clock: ManualClock, node: Node) -> None:
    """Two nodes of one server: the idle one shelves it under the other's job."""
    with pytest.raises(ValueError, match="gpu-1"):
        enrol("gpu-2", "server-gpu-1", token_of("gpu-2"), clock.now())
    with pytest.raises(ValueError, match="gpu-1") as refused:
        enrol("gpu-2", "server-gpu-2", token_of("gpu-1"), clock.now())
    assert token_of("gpu-1") not in str(refused.value)
    assert enrol("gpu-1", "server-gpu-1", token_of("gpu-1"), clock.now()) == node


def test_a_worker_that_breaks_after_it_was_ready_does_not_keep_its_node_awake(
    clock: ManualClock, node: Node
) -> None:
    """Work waited for it, so that it was never drained; and it took none."""
    cloud = SimulatedCloud(["server-gpu-1"], clock.now)
    server = cloud.servers["server-gpu-1"]
    server.state = server.state.model_copy(update={"status": CloudStatus.ACTIVE})
    beat(node, clock)
    submitted(clock)
    for _ in range(60):
        clock.advance(10)
        if Node.objects.get().gate == Gate.OPEN:
            beat(node, clock, WorkerState.BROKEN)
        tick(cloud, clock)
    assert CloudOperation.objects.filter(kind=OperationKind.SHELVE).exists()

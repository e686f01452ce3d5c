"""What was true a while ago: late words of old boots, boots known late, plans that have aged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator import ledger, site_watch
from orchestrator.gates import Gates, no_shell
from orchestrator.models import Attempt, FleetState, LedgerEntry, Node
from orchestrator.policy import steps
from orchestrator.reconciler import Reconciler
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import policy_of
from orchestrator.states import AttemptOutcome, Cause, CloudStatus, Gate, Wanted
from tests.orchestrator.lone_server import ASLEEP, SERVER, running, seen, tick
from tests.orchestrator.rows import BOOT, ManualClock, beat, claimed, enrolled, submitted
from tests.orchestrator.simulation.cloud import SimulatedCloud

pytestmark = pytest.mark.django_db


def looked(cloud: SimulatedCloud, clock: ManualClock) -> Node:
    """The node after the next look."""
    clock.advance(10)
    tick(cloud, clock)
    return Node.objects.get()


def test_a_late_word_of_the_boot_that_was_shelved_makes_no_node_ready(clock: ManualClock) -> None:
    node = enrolled("gpu-1", clock)
    beat(node, clock)
    cloud = SimulatedCloud([SERVER], clock.now)
    slept = looked(cloud, clock)
    assert (slept.boot_id, slept.gone_boot) == ("", BOOT)

    beat(slept, clock)
    slept.refresh_from_db()
    assert (slept.ready_at, slept.boot_id, slept.worker_state) == (None, "", "")

    beat(slept, clock, boot="boot-0002")
    slept.refresh_from_db()
    assert slept.boot_id == "boot-0002"
    assert slept.ready_at == clock.now()


def test_a_boot_that_was_thought_gone_with_its_server_is_heard_again(clock: ManualClock) -> None:
    """The cloud lost sight of the server, and has found it: its worker never stopped."""
    node = enrolled("gpu-1", clock)
    beat(node, clock)
    lost = steps.SettleAsleep("gpu-1")
    Node.objects.filter(pk=node.pk).update(cloud_status=CloudStatus.DELETED)
    assert Gates(clock, no_shell).do(lost)
    beat(node, clock)
    assert Node.objects.get().boot_id == BOOT


def test_a_waking_by_others_is_not_ready_for_what_was_said_before_the_sleep(
    clock: ManualClock,
) -> None:
    """They shelved it and woke it between two looks of ours."""
    node = enrolled("gpu-1", clock)
    beat(node, clock)
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    assert looked(cloud, clock).active_since is not None
    seen(cloud, CloudStatus.SHELVED_OFFLOADED, "unshelving")
    woken = looked(cloud, clock)
    assert (woken.ready_at, woken.active_since, woken.wanted) == (None, None, Wanted.ASLEEP)
    assert woken.gone_boot == BOOT
    assert LedgerEntry.objects.get(ended_at=None).cause == Cause.EXTERNAL


def test_our_own_waking_stays_ours_while_its_server_has_not_run_yet(clock: ManualClock) -> None:
    """We have given it up, and it comes all the same."""
    enrolled("gpu-1", clock, **ASLEEP, wanted=Wanted.AWAKE, woken_here=True)
    node = Node.objects.get()
    beat(node, clock)
    cloud = SimulatedCloud([SERVER], clock.now)
    seen(cloud, CloudStatus.SHELVED_OFFLOADED, "spawning")
    woken = looked(cloud, clock)
    assert (woken.woken_here, woken.wanted) == (True, Wanted.AWAKE)


@pytest.mark.parametrize(
    ("took", "stretches"),
    [
        (60, [(Cause.BOOT, 0, 60)]),
        (100, [(Cause.BOOT, 0, 100)]),
        (160, [(Cause.BOOT, 0, 100), (Cause.FAILURE, 100, 160)]),
    ],
)
def test_a_boot_that_is_known_late_is_a_failure_beyond_its_limit(
    node: Node, clock: ManualClock, took: int, stretches: list[tuple[Cause, int, int]]
) -> None:
    asked = clock.now()
    ledger.enter(node.pk, Cause.IDLE, clock.advance(took))
    ledger.begin(node.pk, asked, limit=asked + timedelta(seconds=100))
    rows = LedgerEntry.objects.filter(ended_at__isnull=False).order_by("started_at")
    assert [
        (row.cause, (row.started_at - asked).total_seconds(), (ends - asked).total_seconds())
        for row in rows
        if (ends := row.ended_at) is not None
    ] == stretches


def settle_site(clock: ManualClock) -> None:
    """The site has been up for longer than a lease."""
    rules = policy_of(fleet_settings())
    up = clock.now() - 2 * rules.lease
    FleetState.objects.update_or_create(
        pk=1, defaults={"site_up_since": up, "site_seen_at": clock.now()}
    )


@pytest.mark.parametrize("aged", [False, True])
def test_no_lease_is_taken_by_a_plan_that_has_aged(clock: ManualClock, aged: bool) -> None:
    """Its process stood still right before the step: nobody knows whether nodes could reach us."""
    node = enrolled("gpu-1", clock)
    submitted(clock)
    claimed(node, clock)
    attempt = Attempt.objects.get()
    clock.advance(600)
    settle_site(clock)
    if aged:
        clock.advance(120)
    reconciler = Reconciler(SimulatedCloud([SERVER], clock.now), clock, lambda: True)
    done = reconciler._do(steps.ExpireLease("gpu-1", attempt.pk), [], cloud_answers=True)
    attempt.refresh_from_db()
    assert done is not aged
    assert (attempt.outcome == AttemptOutcome.RUNNING) is aged


@pytest.mark.parametrize(
    ("why", "judges"),
    [
        (steps.Why.IDLE, True),
        (steps.Why.WORKER_DEAF, True),
        (steps.Why.BOOT_TIMEOUT, True),
        (steps.Why.PARKED, False),
        (steps.Why.MAX_UPTIME, False),
    ],
)
def test_a_node_is_not_drained_for_its_silence_by_a_plan_that_has_aged(
    clock: ManualClock, why: steps.Why, judges: bool
) -> None:
    enrolled("gpu-1", clock)
    settle_site(clock)
    clock.advance(120)
    gates = Gates(clock, no_shell, site_watch.settled)
    moved = gates.do(steps.Move("gpu-1", Gate.OPEN, Gate.DRAINING, why))
    assert moved is not judges
    assert Node.objects.get().gate == (Gate.OPEN if judges else Gate.DRAINING)

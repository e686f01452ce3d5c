"""Quarantine, max uptime, budgets and settled money, on rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from orchestrator import jobs, ledger
from orchestrator.attempts import Refused
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.policy.planner import SEND_WITHIN, backoff
from orchestrator.providers.port import (
    ActionFacts,
    ActionResult,
    CloudError,
    CloudErrorKind,
    ServerFacts,
)
from orchestrator.reconciler import Reconciler
from orchestrator.settings import fleet_settings
from orchestrator.states import (
    AttemptOutcome,
    Cause,
    CloudStatus,
    Gate,
    JobState,
    OperationKind,
    OperationOutcome,
)
from tests.orchestrator.rows import (
    BOOT,
    KIND,
    ManualClock,
    beat,
    claimed,
    completion,
    enrolled,
    job_beat,
    submitted,
)
from tests.orchestrator.simulation.cloud import SimulatedCloud
from tests.support.big_fleet import RunningServers

pytestmark = pytest.mark.django_db


def lose(node: Node, clock: ManualClock, boot: str) -> None:
    """A job is claimed, and its process dies: the next one of the node claims again."""
    submitted(clock)
    claimed(node, clock, boot=boot)
    Attempt.objects.filter(outcome=AttemptOutcome.RUNNING).update(lease_until=clock.now())
    clock.advance(1)
    running = Attempt.objects.get(outcome=AttemptOutcome.RUNNING)
    assert jobs.expire(running.pk, clock.now())
    # Whoever lost it goes last, so that the next loss is another job's.
    Job.objects.filter(pk=running.job_id).update(priority=-1)


# ------------------------------------------------------------------------------------ quarantine


def test_a_node_that_loses_two_different_jobs_is_given_none_for_a_while(
    clock: ManualClock, node: Node
) -> None:
    lose(node, clock, "boot-0001")
    lose(node, clock, "boot-0002")
    node.refresh_from_db()
    assert node.quarantined_until == clock.now() + backoff(1)
    assert jobs.claim(node, BOOT, [KIND], clock.now()) is None
    clock.advance(61)
    assert jobs.claim(node, BOOT, [KIND], clock.now()) is not None


def test_each_time_for_longer(clock: ManualClock, node: Node) -> None:
    for times in (1, 2, 3):
        lose(node, clock, f"boot-a{times:03}")
        lose(node, clock, f"boot-b{times:03}")
        node.refresh_from_db()
        assert node.quarantined_until == clock.now() + backoff(times)
        clock.advance(3600)
        Job.objects.update(state=JobState.CANCELLED)


def test_a_job_that_gets_somewhere_speaks_for_the_node(clock: ManualClock, node: Node) -> None:
    lose(node, clock, "boot-0001")
    Job.objects.update(state=JobState.CANCELLED)
    job = submitted(clock)
    held = claimed(node, clock)
    node.refresh_from_db()
    jobs.heartbeat(node, job.pk, job_beat(held, steps=1), clock.now())
    assert Node.objects.get().lost_jobs == []
    jobs.complete(node, job.pk, completion(held, clock), clock.now())
    lose(node, clock, "boot-0003")
    assert Node.objects.get().quarantined_until is None


def test_one_job_that_is_lost_again_and_again_is_its_own_fault(
    clock: ManualClock, node: Node
) -> None:
    submitted(clock)
    for boot in ("boot-0001", "boot-0002", "boot-0003"):
        claimed(node, clock, boot=boot)
    assert Node.objects.get().quarantined_until is None
    assert jobs.claim(node, "boot-0004", [KIND], clock.now()) is None
    assert Job.objects.get().state == JobState.FAILED


# ------------------------------------------------------------------------------------ max uptime


def tick(clock: ManualClock, cloud: RunningServers | None = None) -> None:
    Reconciler(cloud or RunningServers(1), clock, lambda: True).tick()


@pytest.fixture
def old(clock: ManualClock) -> Node:
    """A node that has been awake for as long as it may."""
    node = enrolled("gpu-1", clock, server_id="server-0")
    beat(node, clock)
    since = clock.now() - timedelta(hours=12)
    Node.objects.update(awake_since=since, active_since=since, ready_at=since)
    return node


def test_at_max_uptime_a_job_is_given_back_and_not_lost(clock: ManualClock, old: Node) -> None:
    job = submitted(clock)
    held = claimed(old, clock)
    tick(clock)
    old.refresh_from_db()
    assert (old.gate, old.gate_why) == (Gate.DRAINING, "max_uptime")
    # The worker hears it in the answer to its heartbeat, stops, and gives the job back.
    jobs.release(old, job.pk, held.token, clock.now())
    assert Attempt.objects.get().outcome == AttemptOutcome.RELEASED
    assert Job.objects.get().state == JobState.QUEUED
    assert jobs.claim(old, BOOT, [KIND], clock.now()) is None
    tick(clock)
    assert Node.objects.get().gate == Gate.STOPPING


def test_one_that_is_not_given_back_is_taken(clock: ManualClock, old: Node) -> None:
    job = submitted(clock)
    held = claimed(old, clock)
    tick(clock)
    for _ in range(16):
        clock.advance(10)
        beat(old, clock)
        if Attempt.objects.get().outcome == AttemptOutcome.RUNNING:
            jobs.heartbeat(old, job.pk, job_beat(held), clock.now())
        tick(clock)
    assert Attempt.objects.get().outcome == AttemptOutcome.RELEASED
    assert Node.objects.get().gate == Gate.STOPPING
    with pytest.raises(Refused):
        jobs.heartbeat(old, job.pk, job_beat(held), clock.now())


# --------------------------------------------------------------------------------------- budgets


@pytest.fixture
def broke(clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "82.76")
    monkeypatch.setenv("FLEET_BUDGET_DAY", "10")
    fleet_settings.cache_clear()
    ledger.enter(node.pk, Cause.JOB, clock.now())
    clock.advance(435)  # 10.00 of the currency, and a cent more
    ledger.enter(node.pk, None, clock.now())
    return node


def test_once_the_budget_is_spent_only_urgent_jobs_are_begun(
    clock: ManualClock, broke: Node
) -> None:
    submitted(clock)
    assert jobs.claim(broke, BOOT, [KIND], clock.now()) is None
    assert not beat(broke, clock).claim
    urgent = submitted(clock, priority=10)
    assert beat(broke, clock).claim
    assert claimed(broke, clock).job == str(urgent.pk)


def test_the_next_day_has_a_budget_of_its_own(clock: ManualClock, broke: Node) -> None:
    submitted(clock)
    clock.advance(24 * 3600)
    assert jobs.claim(broke, BOOT, [KIND], clock.now()) is not None


def test_what_is_spent_counts_what_still_lasts_and_each_price_of_its_time(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    for price, seconds in (("36", 100), ("72", 50)):
        monkeypatch.setenv("FLEET_PRICE_PER_HOUR", price)
        fleet_settings.cache_clear()
        ledger.enter(node.pk, Cause.JOB if price == "36" else Cause.IDLE, clock.now())
        clock.advance(seconds)
    assert ledger.spent(start, clock.now()) == Decimal(2)
    assert ledger.spent(start + timedelta(seconds=40), clock.now()) == Decimal("1.6")
    assert ledger.spent(clock.now(), clock.now()) == 0


# --------------------------------------------------------------------------------- settled money


class Notes(RunningServers):
    """A cloud with one server that sleeps, and what it has noted of it."""

    def __init__(self, notes: Sequence[ActionFacts]) -> None:
        super().__init__(0)
        self._notes = notes

    def list(self) -> Sequence[ServerFacts]:
        return [ServerFacts("server-gpu-1", "gpu-1", CloudStatus.SHELVED_OFFLOADED, None, False)]

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        assert server_id == "server-gpu-1"
        return self._notes

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        assert server_id == "server-gpu-1"
        return next(note for note in self._notes if note.request_id == request_id)


def noted(kind: OperationKind, start: datetime, end: datetime) -> ActionFacts:
    return ActionFacts(f"req-{kind}", kind, start, ActionResult.OK, "", finished_at=end)


def test_what_we_saw_late_is_settled_by_the_clouds_own_notes(
    clock: ManualClock, node: Node
) -> None:
    Node.objects.update(server_since=clock.now() - timedelta(days=1))
    woken = clock.now() - timedelta(seconds=0.4)
    for cause, seconds in ((Cause.BOOT, 60), (Cause.JOB, 300), (Cause.SHELVING, 37)):
        ledger.enter(node.pk, cause, clock.now())
        clock.advance(seconds)
    ledger.enter(node.pk, None, clock.now())
    asleep = clock.now() - timedelta(seconds=8.5)
    cloud = Notes(
        [
            noted(OperationKind.SHELVE, asleep - timedelta(seconds=20), asleep),
            noted(OperationKind.UNSHELVE, woken, woken + timedelta(seconds=50)),
        ]
    )
    for _ in range(3):
        clock.advance(10)
        Reconciler(cloud, clock, lambda: True).tick()
    rows = list(LedgerEntry.objects.order_by("started_at"))
    assert [row.cause for row in rows] == [Cause.BOOT, Cause.JOB, Cause.SHELVING]
    assert (rows[0].started_at, rows[-1].ended_at) == (woken, asleep)
    assert all(row.settled for row in rows)


class Silent(Notes):
    """One that does not tell."""

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        raise CloudError(CloudErrorKind.TRANSIENT, f"{server_id}: the cloud does not answer.")


def test_a_cloud_that_does_not_tell_is_asked_again(clock: ManualClock, node: Node) -> None:
    began = clock.now()
    ledger.enter(node.pk, Cause.JOB, began)
    ended = clock.advance(100)
    ledger.enter(node.pk, None, ended)
    notes = [
        noted(OperationKind.SHELVE, ended, ended),
        noted(OperationKind.UNSHELVE, began, began),
    ]
    for cloud in (Silent(notes), Notes(notes)):
        for _ in range(2):
            clock.advance(10)
            Reconciler(cloud, clock, lambda: True).tick()
        assert LedgerEntry.objects.get().settled == (not isinstance(cloud, Silent))


# ------------------------------------------------------------------------------ owners of a call


def test_a_call_that_another_may_still_make_is_left_to_it(clock: ManualClock) -> None:
    """Another orchestrator wrote it down a moment ago, and is about to ask the cloud."""
    asleep = {"cloud_status": CloudStatus.SHELVED_OFFLOADED, "awake_since": None}
    node = enrolled("gpu-1", clock, **asleep)
    submitted(clock)
    intended = clock.now()
    CloudOperation.objects.create(
        node=node,
        kind=OperationKind.UNSHELVE,
        intended_at=intended,
        deadline=intended + timedelta(hours=1),
        owner="another",
        send_by=intended + SEND_WITHIN,
    )
    cloud = SimulatedCloud(["server-gpu-1"], clock.now)
    patience = SEND_WITHIN + timedelta(seconds=fleet_settings().fleet_call_seconds)
    while clock.now() <= intended + patience:
        Reconciler(cloud, clock, lambda: True).tick()
        assert not cloud.actions("server-gpu-1")
        clock.advance(5)
    Reconciler(cloud, clock, lambda: True).tick()
    assert len(cloud.actions("server-gpu-1")) == 1
    assert CloudOperation.objects.get().outcome == OperationOutcome.SENT


def test_a_tick_whose_lease_was_renewed_a_moment_ago_is_left_alone(clock: ManualClock) -> None:
    """Its end lies a little further away than any lease that begins now: no clock was set back."""
    FleetState.objects.create(
        pk=1,
        tick_token="another",  # noqa: S106  # no secret
        tick_until=clock.now() + timedelta(seconds=61),
    )
    assert Reconciler(RunningServers(0), clock, lambda: True).tick().skipped

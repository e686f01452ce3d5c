"""The ledger when servers, prices and names change, and when the cloud's notes do not come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from orchestrator import fleet_control, history, jobs, ledger
from orchestrator.enrol import enrol
from orchestrator.models import LedgerEntry, Node
from orchestrator.providers.local_state import Fault, WorkerFacts
from orchestrator.providers.port import ActionFacts, ActionResult, ServerFacts
from orchestrator.settings import FleetSettings, fleet_settings
from orchestrator.states import Cause, CloudStatus, OperationKind
from tests.orchestrator.lone_server import ASLEEP, SERVER, running, tick
from tests.orchestrator.rows import (
    ManualClock,
    beat,
    claimed,
    completion,
    enrolled,
    job_beat,
    submitted,
    token_of,
)
from tests.orchestrator.simulation.cloud import Server, SimulatedCloud

pytestmark = pytest.mark.django_db


class NotingCloud(SimulatedCloud):
    """Its notes are those that a test gives it. It counts how often it is asked for them."""

    def __init__(self, clock: ManualClock, *names: str) -> None:
        super().__init__(names, clock.now)
        self.notes: dict[str, Sequence[ActionFacts]] = {}
        self.asked = 0
        self.names: dict[str, str] = {}

    def list(self) -> Sequence[ServerFacts]:
        return [
            replace(one, name=self.names.get(one.server_id, one.name)) for one in super().list()
        ]

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        self.asked += 1
        return self.notes.get(server_id) or super().actions(server_id)

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        self.asked += 1
        for note in self.notes.get(server_id, ()):
            if note.request_id == request_id:
                return note
        return super().action(server_id, request_id)


def costing(price: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", price)
    fleet_settings.cache_clear()


def shelved(clock: ManualClock, number: int = 0) -> ActionFacts:
    """By hand, just now."""
    begun, ended = clock.now() - timedelta(seconds=60), clock.now() - timedelta(seconds=5)
    return ActionFacts(
        f"req-{number}", OperationKind.SHELVE, begun, ActionResult.OK, "", finished_at=ended
    )


@pytest.mark.parametrize("noted", [False, True], ids=["never awake", "shelved by hand once"])
def test_a_new_server_under_an_old_name_changes_nothing_of_what_was_paid(
    clock: ManualClock, node: Node, noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cure for a server that is gone made its whole cost vanish, or made up a day of more."""
    costing("82.76", monkeypatch)
    cloud = NotingCloud(clock, SERVER)
    running(cloud)
    beat(node, clock)
    tick(cloud, clock)
    job = submitted(clock)
    held = claimed(node, clock)
    clock.advance(3600)
    beat(node, clock)
    jobs.heartbeat(node, job.pk, job_beat(held, 1), clock.now())
    jobs.complete(node, job.pk, completion(held, clock), clock.now())
    start = clock.now() - timedelta(hours=10)
    del cloud.servers[SERVER]
    clock.advance(10)
    tick(cloud, clock)
    before = ledger.spent(start, clock.now())
    assert before > 82
    clock.advance(86_400)
    enrol("gpu-1", "server-new", token_of("gpu-1"), clock.now())
    cloud.servers["server-new"] = Server()
    cloud.notes["server-new"] = [shelved(clock)] if noted else []
    for _ in range(4):
        tick(cloud, clock)
        clock.advance(10)
    assert ledger.spent(start, clock.now()) == before


def test_a_node_at_work_is_not_given_another_server(clock: ManualClock, node: Node) -> None:
    submitted(clock)
    claimed(node, clock)
    with pytest.raises(ValueError, match="drain it first"):
        enrol("gpu-1", "server-new", token_of("gpu-1"), clock.now())


def test_two_nodes_never_come_to_one_server(clock: ManualClock) -> None:
    """One was enrolled with its id, the other with its name."""
    cloud = NotingCloud(clock, "uuid-1")
    cloud.names["uuid-1"] = "a-server"
    enrol("gpu-1", "uuid-1", token_of("gpu-1"), clock.now())
    enrol("gpu-2", "a-server", token_of("gpu-2"), clock.now())
    tick(cloud, clock)
    assert list(Node.objects.values_list("server_id", flat=True)) == ["uuid-1", "a-server"]


def test_of_two_servers_with_one_name_none_is_taken(clock: ManualClock) -> None:
    cloud = NotingCloud(clock, "uuid-1", "uuid-2")
    cloud.names = {"uuid-1": "a-server", "uuid-2": "a-server"}
    enrol("gpu-1", "a-server", token_of("gpu-1"), clock.now())
    tick(cloud, clock)
    assert Node.objects.get().server_id == "a-server"


class PartialCloud(NotingCloud):
    """It leaves a server out of its list that is there all the same: it has another name now."""

    def list(self) -> Sequence[ServerFacts]:
        return [one for one in super().list() if one.server_id != SERVER]


def test_a_server_that_the_list_leaves_out_is_asked_for(clock: ManualClock, node: Node) -> None:
    cloud = PartialCloud(clock, SERVER)
    running(cloud)
    tick(cloud, clock)
    node.refresh_from_db()
    assert node.cloud_status == CloudStatus.ACTIVE
    del cloud.servers[SERVER]
    for _ in range(2):
        clock.advance(10)
        tick(cloud, clock)
    node.refresh_from_db()
    assert node.cloud_status == CloudStatus.DELETED
    assert (node.awake_since, node.worker_state) == (None, ""), "it is awake no more"


def test_what_lasts_is_paid_at_the_price_of_its_time(
    clock: ManualClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing("100", monkeypatch)
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    fleet_control.hold(node, "ops", clock.now())
    tick(cloud, clock)
    clock.advance(3600)
    costing("200", monkeypatch)
    tick(cloud, clock)
    clock.advance(3600)
    tick(cloud, clock)
    assert ledger.spent(clock.now() - timedelta(hours=5), clock.now()) == Decimal(300)
    assert LedgerEntry.objects.count() == 2


def test_a_boot_that_took_too_long_is_a_failure_although_it_ends_well(clock: ManualClock) -> None:
    node = enrolled("gpu-1", clock)
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    tick(cloud, clock)
    clock.advance(7200)
    beat(node, clock)
    rows = LedgerEntry.objects.order_by("started_at").values_list("cause", flat=True)
    assert list(rows) == [Cause.BOOT, Cause.FAILURE, Cause.IDLE]


def test_a_server_that_somebody_else_woke_is_not_our_boot(clock: ManualClock) -> None:
    enrolled("gpu-1", clock, **ASLEEP)
    cloud = SimulatedCloud([SERVER], clock.now)
    tick(cloud, clock)
    running(cloud)
    for _ in range(3):
        clock.advance(10)
        tick(cloud, clock)
    assert LedgerEntry.objects.get().cause == Cause.EXTERNAL


def test_wakings_that_came_to_nothing_say_nothing_of_how_long_one_takes(
    clock: ManualClock,
) -> None:
    """People were promised a node within a second."""
    enrolled("gpu-1", clock, **ASLEEP)
    cloud = SimulatedCloud([SERVER], clock.now)
    submitted(clock)
    for _ in range(6 * 60 * 3):
        if not cloud.servers[SERVER].state.faults:
            cloud.fail(SERVER, Fault.NO_CAPACITY)
        tick(cloud, clock)
        clock.advance(10)
        cloud.advance(SERVER, WorkerFacts())
    assert LedgerEntry.objects.filter(cause=Cause.BOOT).count() > 3
    assert history.usual_wake() is None
    assert history.latest_wakes() == ()


def test_notes_that_do_not_come_are_asked_for_less_and_less(clock: ManualClock) -> None:
    """A sleeping node cost the cloud 7,560 calls an hour, for ever."""
    node = enrolled("gpu-1", clock, **ASLEEP)
    ended = clock.now() - timedelta(minutes=5)
    row = LedgerEntry.objects.create(
        node=node,
        server_id=SERVER,
        cause=Cause.JOB,
        started_at=ended - timedelta(hours=1),
        ended_at=ended,
    )
    cloud = NotingCloud(clock, SERVER)
    cloud.notes[SERVER] = [
        replace(shelved(clock, n), started_at=clock.now() - timedelta(hours=n), result=None)
        for n in range(20)
    ]
    for _ in range(360):
        clock.advance(10)
        tick(cloud, clock)
    assert cloud.asked < 100
    row.refresh_from_db()
    assert not row.settled
    for _ in range(24 * 12):
        clock.advance(300)
        tick(cloud, clock)
    row.refresh_from_db()
    assert row.settled, "after a day what was seen stands"
    asked = cloud.asked
    tick(cloud, clock)
    assert cloud.asked == asked


def test_a_budget_without_a_price_is_refused() -> None:
    with pytest.raises(ValueError, match="FLEET_PRICE_PER_HOUR"):
        FleetSettings(fleet_budget_day=Decimal(100))


def test_absurd_lengths_of_media_stop_nobody(clock: ManualClock, node: Node) -> None:
    cloud = SimulatedCloud([SERVER], clock.now)
    running(cloud)
    for _ in range(8):
        submitted(clock, media_seconds=9.2e12)
    tick(cloud, clock)


@pytest.mark.parametrize(
    ("name", "server"),
    [("gpu.1", "s"), ("GPU_1", "s"), ("-gpu", "s"), ("g" * 64, "s"), ("gpu-1", "s" * 65)],
)
def test_names_that_the_pages_or_columns_do_not_take_are_refused(
    clock: ManualClock, name: str, server: str
) -> None:
    with pytest.raises(ValueError, match="has"):
        enrol(name, server, token_of(name), clock.now())
    assert not Node.objects.exists()

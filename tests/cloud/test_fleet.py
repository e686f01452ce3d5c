"""The real reconciler and a real Nova that fails: no job lost, no node forgotten or unbilled.

Each row of what a cloud may do to a waking, a shelving or a request has a test here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import fleet_control
from orchestrator.models import LedgerEntry, Node
from orchestrator.providers.port import ActionResult
from orchestrator.settings import fleet_settings
from orchestrator.states import CloudStatus, JobState, OperationKind
from tests.cloud.conftest import MakeProvider
from tests.cloud.fleet import SETTINGS, Fleet
from tests.cloud.loopback.knobs import ApiFault, SpawnFault
from tests.cloud.loopback.options import HOSTS
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.django_db(transaction=True)]

DONE = JobState.SUCCEEDED
A_MINUTE = 75.0
"""More than a node is left alone after its first failure, jitter included."""

A_CALL = 40.0
"""More than a call belongs to whoever began it: only then is it taken up again."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    told = {**SETTINGS, "BLOB_FOLDER": str(tmp_path / "blobs"), "SITE_URL": "http://site.test"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("orchestrator.doorbell._send", lambda *_: None)
    monkeypatch.setattr("orchestrator.doorbell._control", lambda *_: None)
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


@pytest.fixture
def fleet(cloud: Cloud, make_provider: MakeProvider) -> Fleet:
    # Brief, so that a test of what hangs is.
    return Fleet(cloud, make_provider("gpu-1", "gpu-2", seconds=3.0))


def node(name: str = "gpu-1") -> Node:
    return Node.objects.get(name=name)


def woken(fleet: Fleet, **knobs: float) -> str:
    """A node that is awake and has done a job; its server. `knobs`: what goes wrong from now on."""
    server = fleet.enrol("gpu-1")
    fleet.cloud.knobs(**knobs)
    job = fleet.submit()
    fleet.live(lambda: fleet.state(job) == DONE)
    return server


# -------------------------------------------------------------------------------- all in order


def test_a_job_wakes_a_node_and_the_ledger_is_novas_own_to_the_second(
    fleet: Fleet, make_provider: MakeProvider
) -> None:
    server = woken(fleet)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve"]
    fleet.live(lambda: not LedgerEntry.objects.filter(settled=False).exists())
    shelved, unshelved = make_provider().actions(server)[:2]
    entries = LedgerEntry.objects.order_by("started_at")
    first, last = entries.first(), entries.last()
    assert first is not None
    assert last is not None
    assert last.ended_at is not None
    ended = make_provider().action(server, shelved.request_id)
    assert ended.result is ActionResult.OK
    assert ended.finished_at is not None
    assert abs(first.started_at - unshelved.started_at).total_seconds() < 1.0
    assert abs(last.ended_at - ended.finished_at).total_seconds() < 1.0


# -------------------------------------------------------------------------------------- waking


def test_a_full_cloud_is_recognised_at_the_first_poll_and_the_job_waits_for_room(
    fleet: Fleet,
) -> None:
    server = fleet.enrol("gpu-1")
    fleet.cloud.full()
    job = fleet.submit()
    fleet.tick()
    [operation] = fleet.operations()
    assert operation.request_id
    assert fleet.cloud.settled(server) == "SHELVED_OFFLOADED"
    # One look after Nova gave up, and no more.
    fleet.tick()
    assert fleet.failures() == ["no_capacity"]
    assert fleet.billed() == set()
    fleet.live_for(1.0)
    assert fleet.asked(server) == ["unshelve"]
    assert fleet.state(job) == JobState.QUEUED
    fleet.cloud.full(False)
    fleet.clock.leap(A_MINUTE)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "unshelve", "shelve"]


def test_the_next_node_is_woken_when_the_cloud_has_no_room_for_the_first(fleet: Fleet) -> None:
    servers = {fleet.enrol("gpu-1"), fleet.enrol("gpu-2")}
    fleet.cloud.full()
    job = fleet.submit()
    fleet.live(lambda: fleet.failures() == ["no_capacity"])
    fleet.cloud.full(False)
    # Nobody waits for the first one's minute.
    fleet.live(lambda: fleet.state(job) == DONE)
    assert sorted(fleet.asked(one).count("unshelve") for one in servers) == [1, 1]


@pytest.mark.parametrize("fault", [one for one in SpawnFault if one is not SpawnFault.NONE])
def test_a_boot_that_fails_is_not_taken_for_a_full_cloud(fault: SpawnFault, fleet: Fleet) -> None:
    fleet.enrol("gpu-1")
    fleet.cloud.knobs(spawn_fault=fault, spawn_fault_count=1)
    job = fleet.submit()
    fleet.live(lambda: fleet.failures() == ["boot_failed"])
    assert fleet.state(job) == JobState.QUEUED
    assert fleet.billed() == set()
    fleet.clock.leap(A_MINUTE)
    fleet.live(lambda: fleet.state(job) == DONE)


def test_a_waking_stuck_on_a_dead_host_is_billed_and_waited_for(fleet: Fleet) -> None:
    server = fleet.enrol("gpu-1")
    for host in HOSTS:
        fleet.cloud.host(host, up=False)
    job = fleet.submit()
    fleet.live_for(2.0)
    assert fleet.billed() == {"gpu-1"}
    assert fleet.asked(server) == ["unshelve"]
    for host in HOSTS:
        fleet.cloud.host(host, up=True)
    fleet.live(lambda: fleet.state(job) == DONE)
    assert fleet.asked(server)[:2].count("unshelve") == 1


def test_a_server_deleted_while_it_boots_leaves_its_job_to_the_next_node(fleet: Fleet) -> None:
    fleet.cloud.knobs(boot_seconds=1.0)
    servers = {name: fleet.enrol(name) for name in ("gpu-1", "gpu-2")}
    job = fleet.submit()
    fleet.live(lambda: Node.objects.filter(cloud_task="spawning").exists())
    booting = Node.objects.get(cloud_task="spawning")
    fleet.cloud.admin.compute.delete_server(servers[booting.name])
    fleet.live(lambda: fleet.state(job) == DONE)
    assert node(booting.name).cloud_status == CloudStatus.DELETED
    fleet.live(fleet.at_rest)


def test_a_server_in_error_is_left_alone_and_its_job_goes_elsewhere(fleet: Fleet) -> None:
    broken = fleet.enrol("gpu-1")
    fleet.enrol("gpu-2")
    fleet.cloud.admin.compute.reset_server_state(broken, "error")
    job = fleet.submit()
    fleet.live(lambda: fleet.state(job) == DONE)
    # Nova takes no request for it, so that it is not asked again and again.
    assert "unshelve" not in fleet.asked(broken)
    assert node("gpu-1").cloud_status == CloudStatus.ERROR
    assert "gpu-1" in fleet.billed()


def test_a_locked_server_is_not_asked_for_anything_until_it_is_unlocked(fleet: Fleet) -> None:
    server = fleet.enrol("gpu-1")
    fleet.cloud.admin.compute.lock_server(server)
    job = fleet.submit()
    fleet.live_for(1.0)
    assert [one for one in fleet.asked(server) if one == "unshelve"] == []
    assert fleet.state(job) == JobState.QUEUED
    fleet.cloud.admin.compute.unlock_server(server)
    fleet.live(lambda: fleet.state(job) == DONE)


# ------------------------------------------------------------------------------------ shelving


def test_a_shelving_whose_disk_cannot_be_saved_is_billed_and_made_again(fleet: Fleet) -> None:
    server = woken(fleet, snapshot_fault_count=2)
    fleet.live(lambda: len(fleet.failures()) == 1)
    assert fleet.billed() == {"gpu-1"}
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve", "shelve", "shelve"]
    assert fleet.cloud.status(server) == ("SHELVED_OFFLOADED", None)


def test_a_shelving_that_cannot_leave_its_host_is_billed_until_it_does(fleet: Fleet) -> None:
    server = woken(fleet, destroy_fault_count=1)
    fleet.live(lambda: node().cloud_status == CloudStatus.SHELVED)
    fleet.live_for(1.0)
    # It holds its GPU, whatever its name for it.
    assert fleet.billed() == {"gpu-1"}
    assert server in fleet.cloud.guests()
    job = fleet.submit()
    # On some clouds a server is offloaded only later: so long it counts as on its way.
    fleet.clock.leap(fleet_settings().fleet_shelve_seconds)
    fleet.live(lambda: fleet.state(job) == DONE)
    fleet.live(fleet.at_rest)


def test_a_guest_that_is_lost_is_billed_for_as_long_as_nova_says_active(fleet: Fleet) -> None:
    server = woken(fleet)
    fleet.cloud.guest(server, lost=True)
    fleet.live(lambda: fleet.failures(), seconds=60)
    assert fleet.cloud.settled(server) != "SHELVED_OFFLOADED"
    assert fleet.billed() == {"gpu-1"}
    assert node().cloud_status in {CloudStatus.ACTIVE, CloudStatus.SHUTOFF}


def test_a_server_that_switched_itself_off_is_billed_and_shelved(fleet: Fleet) -> None:
    server = woken(fleet)
    fleet.cloud.guest(server, power="off")
    fleet.live(lambda: node().cloud_status == CloudStatus.SHUTOFF or fleet.at_rest())
    fleet.live(fleet.at_rest, seconds=60)
    assert fleet.cloud.status(server) == ("SHELVED_OFFLOADED", None)


def test_a_shelving_stuck_on_a_dead_host_is_billed_until_the_host_is_back(fleet: Fleet) -> None:
    server = woken(fleet)
    for host in HOSTS:
        fleet.cloud.host(host, up=False)
    fleet.live(lambda: node().cloud_task == "shelving")
    fleet.live_for(1.0)
    assert fleet.billed() == {"gpu-1"}
    assert fleet.asked(server) == ["unshelve", "shelve"]
    for host in HOSTS:
        fleet.cloud.host(host, up=True)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve"]


def test_a_job_that_comes_while_the_node_is_shelved_wakes_it_again(fleet: Fleet) -> None:
    server = woken(fleet, snapshot_seconds=1.0)
    fleet.live(lambda: (node().cloud_task or "").startswith("shelving"))
    job = fleet.submit()
    fleet.live(lambda: fleet.state(job) == DONE)
    assert fleet.asked(server)[:3] == ["unshelve", "shelve", "unshelve"]
    fleet.live(fleet.at_rest)


# ------------------------------------------------------------------------------------- the API

FAULTS = [
    ApiFault.ERROR,
    ApiFault.UNAVAILABLE,
    ApiFault.TOO_MANY,
    ApiFault.NONSENSE,
    ApiFault.DROP_BEFORE,
    ApiFault.DROP_AFTER,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_waking_whose_request_or_answer_is_lost_is_made_once(
    fault: ApiFault, fleet: Fleet
) -> None:
    server = fleet.enrol("gpu-1", new=True)
    fleet.cloud.knobs(api_fault=fault, api_fault_count=1, api_fault_method="POST")
    job = fleet.submit()
    fleet.live(fleet.cloud.fault_is_over)
    fleet.clock.leap(A_CALL)
    fleet.live(lambda: fleet.state(job) == DONE)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve"]


def test_somebody_elses_earlier_waking_is_not_taken_for_one_whose_answer_was_lost(
    fleet: Fleet,
) -> None:
    server = fleet.enrol("gpu-1", new=True)
    compute = fleet.cloud.admin.compute
    compute.unshelve_server(server)
    fleet.cloud.until(server, "ACTIVE")
    compute.shelve_server(server)
    fleet.cloud.until(server, "SHELVED_OFFLOADED")
    fleet.clock.leap(600.0)
    fleet.cloud.knobs(api_fault=ApiFault.DROP_BEFORE, api_fault_count=1, api_fault_method="POST")
    job = fleet.submit()
    fleet.live(fleet.cloud.fault_is_over)
    fleet.clock.leap(A_CALL)
    fleet.live(lambda: fleet.state(job) == DONE)
    assert fleet.failures() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_shelving_whose_request_or_answer_is_lost_is_made_once(
    fault: ApiFault, fleet: Fleet
) -> None:
    server = woken(fleet)
    fleet.cloud.knobs(api_fault=fault, api_fault_count=1, api_fault_method="POST")
    fleet.live(fleet.cloud.fault_is_over)
    fleet.clock.leap(A_CALL)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve"]
    kinds = [one.kind for one in fleet.operations() if one.request_id]
    assert kinds == [OperationKind.UNSHELVE, OperationKind.SHELVE]


def test_a_cloud_that_is_away_changes_nothing_and_nobody_is_forgotten(fleet: Fleet) -> None:
    server = woken(fleet)
    fleet.cloud.knobs(api_fault=ApiFault.UNAVAILABLE)
    job = fleet.submit()
    fleet.live(lambda: fleet.state(job) == DONE)
    assert fleet.reports[-1].cloud_error
    assert fleet.billed() == {"gpu-1"}
    assert node().cloud_status == CloudStatus.ACTIVE
    fleet.cloud.knobs(api_fault=ApiFault.NONE)
    fleet.live(fleet.at_rest)
    assert fleet.asked(server) == ["unshelve", "shelve"]


def test_a_cloud_that_hangs_holds_a_tick_no_longer_than_its_calls_may_take(fleet: Fleet) -> None:
    woken(fleet)
    fleet.cloud.knobs(api_delay_seconds=60)
    began = time.monotonic()
    report = fleet.tick()
    assert report.cloud_error
    assert time.monotonic() - began < 10.0
    fleet.cloud.knobs(api_delay_seconds=0)
    fleet.live(fleet.at_rest)


def test_a_person_who_holds_a_node_keeps_it_billed_and_awake(fleet: Fleet) -> None:
    server = woken(fleet)
    fleet_control.hold(node(), "ops", fleet.clock.now())
    fleet.live_for(2.0)
    assert fleet.billed() == {"gpu-1"}
    assert fleet.asked(server) == ["unshelve"]
    fleet_control.release(node(), "ops", fleet.clock.now())
    fleet.live(fleet.at_rest)

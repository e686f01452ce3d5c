"""Servers and actions as Nova writes them, and what we make of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openstack.compute.v2.server import Server

from orchestrator.providers.openstack_servers import (
    ActionRecord,
    EventRecord,
    FleetChoice,
    ImageRecord,
    action_facts,
    actions_facts,
    complaints,
    left_behind,
    microversion,
    server_facts,
)
from orchestrator.providers.port import ActionFailure, ActionResult, ServerFacts
from orchestrator.states import CloudStatus, OperationKind

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(name: str, seconds: float, result: str | None = "Success") -> EventRecord:
    finish = at(seconds) if result else None
    return EventRecord(event=name, start_time=at(0), finish_time=finish, result=result)


def action(what: str, *events: EventRecord, message: str | None = None) -> ActionRecord:
    return ActionRecord(
        action=what, request_id="req-1", start_time=NOON, message=message, events=events
    )


def facts(name: str, status: CloudStatus = CloudStatus.ACTIVE, **more: Any) -> ServerFacts:
    given = {"task_state": None, "locked": False, **more}
    return ServerFacts(f"id-of-{name}", name, status, **given)


SCHEDULED = event("schedule_instances", 1)
IMAGE_READ = event("get_image_info", 0.5)


@pytest.mark.parametrize(
    ("what", "events", "result", "failure", "seconds"),
    [
        ("unshelve", (), None, None, None),
        ("unshelve", (SCHEDULED, IMAGE_READ), None, None, None),
        ("unshelve", (event("compute_unshelve_instance", 0, None), SCHEDULED), None, None, None),
        ("unshelve", (event("compute_unshelve_instance", 9), SCHEDULED), "ok", None, 9),
        ("unshelve", (event("compute_start_instance", 3),), "ok", None, 3),
        ("unshelve", (event("schedule_instances", 1, "Error"),), "failed", "capacity", 1),
        (
            "unshelve",
            (event("compute_unshelve_instance", 9, "Error"), SCHEDULED),
            "failed",
            "boot",
            9,
        ),
        ("unshelve", (event("compute_start_instance", 2, "Error"),), "failed", "boot", 2),
        ("unshelve", (event("get_image_info", 1, "Error"),), "failed", "image", 1),
        ("unshelve", (event("somebody_elses_step", 1, "Error"),), "failed", "unknown", 1),
        ("shelve", (event("compute_shelve_instance", 0, None),), None, None, None),
        ("shelve", (event("compute_shelve_instance", 5),), "ok", None, 5),
        ("shelve", (event("compute_shelve_offload_instance", 4),), "ok", None, 4),
        ("shelve", (event("compute_shelve_instance", 5, "Error"),), "failed", "shelve", 5),
    ],
)
def test_how_an_action_ended_is_read_from_its_events(
    what: str,
    events: tuple[EventRecord, ...],
    result: ActionResult | None,
    failure: ActionFailure | None,
    seconds: float | None,
) -> None:
    message = "Error" if result == "failed" else None
    seen = action_facts(action(what, *events, message=message))
    assert seen is not None
    assert (seen.kind, seen.result, seen.failure) == (what, result, failure)
    assert seen.finished_at == (None if seconds is None else at(seconds))


def test_a_cloud_that_shows_no_events_tells_only_that_it_failed() -> None:
    seen = action_facts(action("unshelve", message="Error"))
    assert seen is not None
    assert (seen.result, seen.failure) == (ActionResult.FAILED, ActionFailure.UNKNOWN)
    running = action_facts(action("unshelve"))
    assert running is not None
    assert running.result is None


def test_what_else_was_done_to_a_server_is_not_ours() -> None:
    records = [
        ActionRecord(action=what, request_id=what, start_time=at(seconds))
        for seconds, what in enumerate(("create", "shelve", "reboot", "unshelve", "delete"))
    ]
    assert [one.kind for one in actions_facts(records)] == [
        OperationKind.UNSHELVE,
        OperationKind.SHELVE,
    ]


EVENTS = st.builds(
    event,
    st.sampled_from(
        ["schedule_instances", "compute_unshelve_instance", "compute_shelve_instance", "other"]
    ),
    st.floats(0, 1000),
    st.sampled_from(["Success", "Error", None]),
)


@given(st.sampled_from(["shelve", "unshelve"]), st.lists(EVENTS, max_size=5))
def test_whatever_the_events_a_failure_has_a_reason_and_an_end_comes_after_the_start(
    what: str, events: list[EventRecord]
) -> None:
    seen = action_facts(action(what, *events))
    assert seen is not None
    assert (seen.failure is not None) == (seen.result is ActionResult.FAILED)
    assert (seen.result is ActionResult.FAILED) == any(one.result == "Error" for one in events)
    assert seen.finished_at is None or seen.finished_at >= seen.started_at
    assert (seen.finished_at is not None) == (seen.result is not None)


def test_novas_times_are_utc_whether_it_says_so_or_not() -> None:
    naive = EventRecord(event="e", finish_time=datetime(2026, 11, 21, 12, 0, 1))  # noqa: DTZ001
    assert naive.finish_time == at(1)
    said = EventRecord.model_validate({"event": "e", "finish_time": "2026-11-21T13:00:01+01:00"})
    assert said.finish_time == at(1)


def test_a_server_is_read_as_the_sdk_hands_it_over() -> None:
    answer: dict[str, Any] = {
        "id": "0001",
        "name": "gpu-1",
        "status": "ERROR",
        "OS-EXT-STS:task_state": "spawning",
        "OS-SRV-USG:launched_at": "2026-11-21T12:00:01.000000",
        "created": "2026-11-21T12:00:00Z",
        "locked": True,
        "metadata": {"dubfleet": "yes"},
        "fault": {"code": 500, "message": "No valid host was found."},
    }
    seen = server_facts(Server.existing(**answer))
    assert seen == ServerFacts(
        "0001",
        "gpu-1",
        CloudStatus.ERROR,
        "spawning",
        True,
        {"dubfleet": "yes"},
        "No valid host was found.",
        at(0),
        at(1),
    )
    bare = server_facts(Server.existing(id="1", name="n", status="NEVER HEARD OF"))
    assert (bare.status, bare.task_state, bare.locked) == (CloudStatus.UNKNOWN, None, False)


def test_a_server_that_the_cloud_cannot_describe_now_is_none_that_is_gone() -> None:
    with pytest.raises(ValueError, match="cannot describe"):
        server_facts(Server.existing(id="1", status="UNKNOWN"))


def listed(address: str, kind: str = "fixed", version: int = 4) -> dict[str, Any]:
    return {"addr": address, "version": version, "OS-EXT-IPS:type": kind}


@pytest.mark.parametrize(
    ("networks", "access", "address"),
    [
        ({}, "", ""),
        ({"net": [listed("10.0.0.5")]}, "", "10.0.0.5"),
        ({"net": [listed("2001:db8::5", version=6), listed("10.0.0.5")]}, "", "10.0.0.5"),
        ({"net": [listed("2001:db8::5", version=6)]}, "", "2001:db8::5"),
        (
            {"net": [listed("10.0.0.5"), listed("203.0.113.7", "floating")]},
            "",
            "203.0.113.7",
        ),
        (
            {"a": [listed("10.0.0.5")], "b": [listed("203.0.113.7", "floating")]},
            "198.51.100.1",
            "198.51.100.1",
        ),
    ],
)
def test_a_server_is_reached_where_it_can_be_reached_from_outside(
    networks: dict[str, Any], access: str, address: str
) -> None:
    server = Server.existing(id="1", name="n", addresses=networks, accessIPv4=access)
    assert server_facts(server).address == address


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (FleetChoice(("a", "c")), ["a", "c"]),
        (FleetChoice((), "fleet=one"), ["b"]),
        (FleetChoice((), " fleet = one "), ["b"]),
        (FleetChoice(("a",), "fleet=one"), ["a", "b"]),
        (FleetChoice((), "fleet=two=three"), ["c"]),
        (FleetChoice((), ""), []),
    ],
)
def test_the_fleets_servers_are_those_named_and_those_tagged(
    choice: FleetChoice, chosen: list[str]
) -> None:
    servers = [
        facts("a"),
        facts("b", metadata={"fleet": "one"}),
        facts("c", metadata={"fleet": "two=three", "": ""}),
    ]
    assert [one.name for one in servers if choice.holds(one)] == chosen


def test_a_fleet_in_order_draws_no_complaint() -> None:
    assert complaints(FleetChoice(("a", "b")), [facts("a"), facts("b")]) == ()


NAMES = st.lists(st.sampled_from("abc"), max_size=5)


@given(NAMES, NAMES)
def test_who_is_missing_and_who_is_there_twice_is_said_once_each(
    wanted: list[str], there: list[str]
) -> None:
    names = tuple(dict.fromkeys(wanted))
    said = [one.server for one in complaints(FleetChoice(names), [facts(one) for one in there])]
    missing = set(names) - set(there)
    twice = {one for one in there if there.count(one) > 1}
    assert sorted(said) == sorted([*missing, *twice])


def test_a_lock_is_worth_knowing_and_an_error_has_to_be_mended() -> None:
    servers = [facts("a", locked=True), facts("b", CloudStatus.ERROR)]
    said = complaints(FleetChoice(("a", "b")), servers)
    assert [(one.server, one.blocking) for one in said] == [("a", False), ("b", True)]


def test_only_the_disks_of_servers_that_are_awake_are_left_behind() -> None:
    servers = [
        facts("awake"),
        facts("asleep", CloudStatus.SHELVED_OFFLOADED),
        facts("going", task_state="shelving_image_uploading"),
    ]
    images = [
        ImageRecord(id=name, name=name)
        for name in ("awake-shelved", "asleep-shelved", "going-shelved", "foreign-shelved", "awake")
    ]
    assert [one.name for one in left_behind(servers, images)] == ["awake-shelved"]


def test_microversions_are_compared_as_numbers() -> None:
    assert microversion("2.100") > microversion("2.51") > microversion("2.9")

"""The provider against a real Nova: what it sees, asks for, and is told."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.providers import provider as chosen_provider
from orchestrator.providers.openstack import OpenStackProvider
from orchestrator.providers.port import (
    ActionFailure,
    ActionResult,
    CloudError,
    CloudErrorKind,
)
from orchestrator.settings import FleetSettings
from orchestrator.states import CloudStatus, OperationKind
from tests.cloud.conftest import MakeProvider
from tests.cloud.loopback.options import IMAGE
from tests.cloud.running import Cloud

pytestmark = pytest.mark.cloud


def refusal(ask: object, *given: str) -> CloudError:
    assert callable(ask)
    with pytest.raises(CloudError) as raised:
        ask(*given)
    return raised.value


def test_the_settings_choose_servers_by_name_or_by_metadata(cloud: Cloud) -> None:
    first, second = cloud.create("gpu-1", tag="of=one"), cloud.create("gpu-2", tag="of=two")

    def seen(**settings: object) -> dict[str, str]:
        given = {"fleet_provider": "openstack", "fleet_cloud": "fleet", **settings}
        fleet = chosen_provider(FleetSettings.model_validate(given))
        return {one.name: one.server_id for one in fleet.list()}

    assert seen(fleet_servers="gpu-1,gpu-2") == {"gpu-1": first, "gpu-2": second}
    assert seen(fleet_servers="gpu-2") == {"gpu-2": second}
    assert seen(fleet_server_tag="of=one") == {"gpu-1": first}
    both = {"gpu-1": first, "gpu-2": second}
    assert seen(fleet_servers="gpu-2", fleet_server_tag="of=one") == both
    assert seen(fleet_server_tag="of=three") == {}


def test_a_list_that_comes_in_pages_is_read_to_its_end(
    cloud: Cloud, make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("gpu-1", "gpu-2", "gpu-3")
    for name in names:
        cloud.create(name)
    provider = make_provider(*names)
    provider.list()
    link = provider._kept()
    assert link is not None
    whole = link.compute.servers
    monkeypatch.setattr(link.compute, "servers", lambda **how: whole(limit=1, **how))
    assert sorted(one.name for one in provider.list()) == list(names)


def test_a_server_is_woken_and_put_to_sleep_by_requests_that_nova_knows(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    began = datetime.now(UTC)
    woken = provider.unshelve(server)
    assert provider.get(server).task_state in {"unshelving", "spawning"}
    cloud.until(server, "ACTIVE")
    put_to_sleep = provider.shelve(server)
    cloud.until(server, "SHELVED_OFFLOADED")
    [facts] = provider.list()
    assert (facts.server_id, facts.status, facts.task_state) == (
        server,
        CloudStatus.SHELVED_OFFLOADED,
        None,
    )
    newest = provider.actions(server)[:2]
    assert [(one.request_id, one.kind) for one in newest] == [
        (put_to_sleep, OperationKind.SHELVE),
        (woken, OperationKind.UNSHELVE),
    ]
    for request_id in (woken, put_to_sleep):
        action = provider.action(server, request_id)
        assert (action.result, action.failure) == (ActionResult.OK, None)
        assert action.finished_at is not None
        assert began <= action.started_at <= action.finished_at <= datetime.now(UTC)


def test_when_an_action_ended_is_known_to_the_second(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    cloud.knobs(boot_seconds=1.5)
    server = cloud.create("gpu-1")
    request_id = provider.unshelve(server)
    assert provider.action(server, request_id).result is None
    cloud.until(server, "ACTIVE")
    seen = datetime.now(UTC)
    facts = provider.get(server)
    action = provider.action(server, request_id)
    assert action.finished_at is not None
    assert action.finished_at - action.started_at >= timedelta(seconds=1.5)
    assert facts.launched_at is not None
    assert abs(action.finished_at - facts.launched_at) < timedelta(seconds=1)
    assert timedelta(0) <= seen - action.finished_at < timedelta(seconds=1)


def test_a_request_that_nova_never_had_is_gone(cloud: Cloud, provider: OpenStackProvider) -> None:
    server = cloud.create("gpu-1")
    unknown = "req-00000000-0000-0000-0000-000000000000"
    assert refusal(provider.action, server, unknown).kind is CloudErrorKind.GONE


def test_a_deleted_server_is_gone_and_what_was_asked_of_it_is_still_known(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    request_id = provider.unshelve(server)
    cloud.until(server, "ACTIVE")
    cloud.admin.compute.delete_server(server)
    cloud.admin.compute.wait_for_delete(cloud.admin.compute.get_server(server), interval=0.1)
    for ask in (provider.get, provider.unshelve, provider.shelve):
        assert refusal(ask, server).kind is CloudErrorKind.GONE
    assert provider.list() == []
    assert provider.action(server, request_id).result is ActionResult.OK


def test_a_request_in_the_wrong_state_is_a_conflict(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    cloud.knobs(boot_seconds=2.0)
    server = cloud.create("gpu-1")
    asleep = refusal(provider.shelve, server)
    assert (asleep.kind, "vm_state shelved_offloaded" in asleep.detail) == (
        CloudErrorKind.CONFLICT,
        True,
    )
    provider.unshelve(server)
    for ask in (provider.unshelve, provider.shelve):
        under_way = refusal(ask, server)
        assert under_way.kind is CloudErrorKind.CONFLICT
        assert "while it is in" in under_way.detail
    cloud.until(server, "ACTIVE")
    assert refusal(provider.unshelve, server).kind is CloudErrorKind.CONFLICT


def test_a_locked_server_is_seen_and_left_to_whoever_locked_it(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    cloud.admin.compute.lock_server(server)
    assert provider.get(server).locked
    assert refusal(provider.unshelve, server).kind is CloudErrorKind.LOCKED
    [complaint] = [one for one in provider.check() if one.server == "gpu-1"]
    assert (complaint.blocking, "locked" in complaint.sentence) == (False, True)
    cloud.admin.compute.unlock_server(server)
    provider.unshelve(server)
    cloud.until(server, "ACTIVE")


def test_a_server_in_error_can_neither_be_woken_nor_shelved_and_is_complained_of(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    provider = make_provider("gpu-1")
    server = cloud.create("gpu-1", asleep=False)
    cloud.admin.compute.reset_server_state(server, "error")
    assert provider.get(server).status is CloudStatus.ERROR
    for ask in (provider.unshelve, provider.shelve):
        assert refusal(ask, server).kind is CloudErrorKind.CONFLICT
    [complaint] = provider.check()
    assert (complaint.server, complaint.blocking) == ("gpu-1", True)


def test_a_fault_is_told_in_the_clouds_words(cloud: Cloud, provider: OpenStackProvider) -> None:
    cloud.full()
    created = cloud.admin.compute.create_server(
        name="gpu-1", image_id=IMAGE, flavor_id="gpu1", networks="none"
    )
    cloud.until(created.id, "ERROR")
    assert "No valid host" in provider.get(created.id).fault


def test_each_thread_has_a_connection_of_its_own(cloud: Cloud, provider: OpenStackProvider) -> None:
    cloud.create("gpu-1")
    provider.list()

    def look(_: int) -> int:
        assert [one.name for one in provider.list()] == ["gpu-1"]
        return id(provider._kept())

    with ThreadPoolExecutor(4) as threads:
        links = set(threads.map(look, range(12)))
    assert id(provider._kept()) not in links


def _look_in_child(provider: OpenStackProvider, answer: multiprocessing.SimpleQueue[int]) -> None:
    before = provider._kept()
    names = [one.name for one in provider.list()]
    answer.put(len(names) if before is None else -1)


def test_a_forked_child_leaves_its_parents_connection_alone(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    cloud.create("gpu-1")
    provider.list()
    link = provider._kept()
    fork = multiprocessing.get_context("fork")
    answer: multiprocessing.SimpleQueue[int] = fork.SimpleQueue()
    child = fork.Process(target=_look_in_child, args=(provider, answer))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert answer.get() == 1
    assert provider._kept() is link
    assert len(provider.list()) == 1


def test_an_old_cloud_is_spoken_to_in_its_own_version_and_tells_less(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    old = make_provider(entry="old")
    [complaint] = old.check()
    assert not complaint.blocking
    assert "2.50" in complaint.sentence
    cloud.full()
    request_id = old.unshelve(server)
    cloud.until(server, "SHELVED_OFFLOADED")
    assert next(one.request_id for one in old.actions(server)) == request_id
    action = old.action(server, request_id)
    assert (action.result, action.failure) == (ActionResult.FAILED, ActionFailure.UNKNOWN)


def test_disks_that_were_left_behind_are_listed_and_those_in_use_are_not(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    asleep = cloud.create("gpu-asleep")
    server = cloud.create("gpu-leaks")
    provider = make_provider("gpu-asleep", "gpu-leaks")
    assert provider.left_behind() == ()
    # A disk whose saving breaks off stays.
    cloud.knobs(snapshot_fault_count=1)
    provider.unshelve(server)
    cloud.until(server, "ACTIVE")
    provider.shelve(server)
    cloud.until(server, "ACTIVE")
    assert [one.name for one in provider.left_behind()] == ["gpu-leaks-shelved"]
    assert cloud.status(asleep) == ("SHELVED_OFFLOADED", None)

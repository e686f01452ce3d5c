"""Each way in which a waking, a shelving or the API itself fails, and what the provider tells."""

from __future__ import annotations

import time

import openstack
import pytest

from orchestrator.providers.openstack import OpenStackProvider
from orchestrator.providers.openstack_errors import cloud_error
from orchestrator.providers.port import (
    ActionFacts,
    ActionFailure,
    ActionResult,
    CloudError,
    CloudErrorKind,
)
from orchestrator.states import CloudStatus
from tests.cloud.conftest import MakeProvider
from tests.cloud.loopback.knobs import ApiFault, SpawnFault
from tests.cloud.loopback.options import HOSTS, IMAGE, NETWORK
from tests.cloud.running import Cloud, wait_for

pytestmark = pytest.mark.cloud

BRIEF = 1.5
"""What a call may take where it has to run into its limit."""


def ended(provider: OpenStackProvider, server: str, request_id: str) -> ActionFacts:
    """The action, once it has."""
    wait_for(lambda: provider.action(server, request_id).result is not None)
    return provider.action(server, request_id)


def look_until_still(provider: OpenStackProvider, server: str) -> tuple[CloudStatus, int]:
    """Look from the moment of the 202 on: the first status without a task, and how often."""
    for looks in range(1, 1000):
        facts = provider.get(server)
        if facts.task_state is None:
            return facts.status, looks
        time.sleep(0.02)
    raise AssertionError("the cloud never came to rest")


# ------------------------------------------------------------------------------------- waking


def test_a_waking_without_capacity_ends_silently_and_is_known_at_the_first_quiet_look(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    cloud.full()
    request_id = provider.unshelve(server)
    # Never once does it look as if nothing had been asked before it has failed.
    assert look_until_still(provider, server)[0] is CloudStatus.SHELVED_OFFLOADED
    assert provider.get(server).fault == ""
    action = ended(provider, server, request_id)
    assert (action.result, action.failure) == (ActionResult.FAILED, ActionFailure.CAPACITY)
    cloud.full(False)
    request_id = provider.unshelve(server)
    cloud.until(server, "ACTIVE")
    assert ended(provider, server, request_id).result is ActionResult.OK


@pytest.mark.parametrize(
    "fault",
    [
        SpawnFault.REFUSED,
        SpawnFault.ABORTED,
        SpawnFault.NO_RESOURCES,
        SpawnFault.NO_NETWORK,
    ],
)
def test_a_waking_that_fails_on_the_host_is_told_apart_from_a_full_cloud(
    fault: SpawnFault, cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    cloud.knobs(spawn_fault=fault)
    request_id = provider.unshelve(server)
    assert look_until_still(provider, server)[0] is CloudStatus.SHELVED_OFFLOADED
    action = ended(provider, server, request_id)
    assert (action.result, action.failure) == (ActionResult.FAILED, ActionFailure.BOOT)
    assert server not in cloud.guests()
    cloud.knobs(spawn_fault=SpawnFault.NONE)
    provider.unshelve(server)
    cloud.until(server, "ACTIVE")


def test_a_server_deleted_while_it_boots_is_gone_in_the_end(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    cloud.knobs(boot_seconds=1.0)
    server = cloud.create("gpu-1")
    provider.unshelve(server)
    wait_for(lambda: provider.get(server).task_state == "spawning")
    cloud.admin.compute.delete_server(server)
    wait_for(lambda: [one.server_id for one in provider.list()] == [])
    with pytest.raises(CloudError) as refusal:
        provider.get(server)
    assert refusal.value.kind is CloudErrorKind.GONE


def test_a_server_that_was_shelved_and_not_offloaded_is_merely_started(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.knobs(destroy_fault_count=1)
    provider.shelve(server)
    cloud.until(server, "SHELVED")
    request_id = provider.unshelve(server)
    cloud.until(server, "ACTIVE")
    assert ended(provider, server, request_id).result is ActionResult.OK


# ----------------------------------------------------------------------------------- shelving


def test_a_shelving_whose_disk_cannot_be_saved_leaves_the_server_running(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.knobs(snapshot_fault_count=1)
    request_id = provider.shelve(server)
    action = ended(provider, server, request_id)
    assert (action.result, action.failure) == (ActionResult.FAILED, ActionFailure.SHELVE)
    assert look_until_still(provider, server)[0] is CloudStatus.ACTIVE
    assert server in cloud.guests()
    provider.shelve(server)
    cloud.until(server, "SHELVED_OFFLOADED")


def test_a_shelving_that_cannot_leave_the_host_keeps_its_gpu(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.knobs(destroy_fault_count=1)
    request_id = provider.shelve(server)
    action = ended(provider, server, request_id)
    assert (action.result, action.failure) == (ActionResult.FAILED, ActionFailure.SHELVE)
    assert look_until_still(provider, server)[0] is CloudStatus.SHELVED
    assert server in cloud.guests()


def test_a_slow_shelving_is_under_way_until_the_disk_is_saved_and_the_host_left(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.knobs(snapshot_seconds=0.7, destroy_seconds=0.7)
    request_id = provider.shelve(server)
    seen = set()
    while (facts := provider.get(server)).status is not CloudStatus.SHELVED_OFFLOADED:
        assert facts.task_state is not None
        seen.add(facts.task_state)
        result = provider.action(server, request_id).result
        # It may have ended between the two questions; it has not while the server is still there.
        offloaded = provider.get(server).status is CloudStatus.SHELVED_OFFLOADED
        assert result is None or offloaded
    assert {"shelving_image_uploading", "shelving_offloading"} <= seen
    assert ended(provider, server, request_id).result is ActionResult.OK


def test_a_guest_that_is_lost_is_still_billed_as_active(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.guest(server, lost=True)
    assert provider.get(server).status in {CloudStatus.ACTIVE, CloudStatus.SHUTOFF}
    request_id = provider.shelve(server)
    assert ended(provider, server, request_id).failure is ActionFailure.SHELVE
    assert look_until_still(provider, server)[0] is CloudStatus.ACTIVE


def test_a_server_that_was_switched_off_from_inside_is_seen_and_can_be_shelved(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    cloud.guest(server, power="off")
    wait_for(lambda: provider.get(server).status is CloudStatus.SHUTOFF)
    provider.shelve(server)
    cloud.until(server, "SHELVED_OFFLOADED")


def test_a_shelving_waits_for_a_host_whose_service_is_down(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1", asleep=False)
    for host in HOSTS:
        cloud.host(host, up=False)
    request_id = provider.shelve(server)
    time.sleep(1.0)
    facts = provider.get(server)
    assert (facts.status, facts.task_state) == (CloudStatus.ACTIVE, "shelving")
    assert provider.action(server, request_id).result is None
    for host in HOSTS:
        cloud.host(host, up=True)
    cloud.until(server, "SHELVED_OFFLOADED")
    assert ended(provider, server, request_id).result is ActionResult.OK


def test_a_waking_waits_for_a_host_that_nobody_knows_to_be_down(
    cloud: Cloud, provider: OpenStackProvider
) -> None:
    server = cloud.create("gpu-1")
    for host in HOSTS:
        cloud.host(host, up=False)
    request_id = provider.unshelve(server)
    time.sleep(1.0)
    facts = provider.get(server)
    assert (facts.status, facts.task_state is None) == (CloudStatus.SHELVED_OFFLOADED, False)
    assert provider.action(server, request_id).result is None
    for host in HOSTS:
        cloud.host(host, up=True)
    cloud.until(server, "ACTIVE")


# ------------------------------------------------------------------------- permissions, quotas


def test_a_used_up_quota_is_told_apart_from_a_missing_permission(cloud: Cloud) -> None:
    link = openstack.connect(cloud="fleet")
    refused = None
    for number in range(2 * cloud.options.quota):
        try:
            link.compute.create_server(
                name=f"more-{number}",
                image_id=IMAGE,
                flavor_id="gpu1",
                networks=[{"uuid": NETWORK}],
            )
        except openstack.exceptions.HttpException as error:
            refused = error
            break
    assert refused is not None
    assert refused.status_code == 403
    assert cloud_error(refused).kind is CloudErrorKind.QUOTA


def test_what_only_an_administrator_may_do_is_a_missing_permission(cloud: Cloud) -> None:
    server = cloud.create("gpu-1", asleep=False)
    link = openstack.connect(cloud="fleet")
    for forbidden in (
        lambda: link.compute.shelve_offload_server(server),
        lambda: list(link.compute.services()),
    ):
        with pytest.raises(openstack.exceptions.ForbiddenException) as refused:
            forbidden()
        assert cloud_error(refused.value).kind is CloudErrorKind.AUTH


# ------------------------------------------------------------------------------------ the API

PASSING = [ApiFault.ERROR, ApiFault.UNAVAILABLE, ApiFault.TOO_MANY, ApiFault.DROP_BEFORE]


@pytest.mark.parametrize("fault", [*PASSING, ApiFault.NONSENSE, ApiFault.DROP_AFTER])
def test_reading_gets_over_a_fault_that_passes(
    fault: ApiFault, cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    for provider in (make_provider(), make_provider()):
        cloud.knobs(api_fault=fault, api_fault_count=2)
        assert [one.server_id for one in provider.list()] == [server]
        assert provider.get(server).name == "gpu-1"


@pytest.mark.parametrize("fault", [*PASSING, ApiFault.NONSENSE, ApiFault.DROP_AFTER])
def test_reading_gives_up_over_a_fault_that_stays(
    fault: ApiFault, cloud: Cloud, make_provider: MakeProvider
) -> None:
    cloud.create("gpu-1")
    cached = make_provider()
    cached.list()
    cloud.knobs(api_fault=fault)
    for provider in (cached, make_provider()):
        with pytest.raises(CloudError) as refusal:
            provider.list()
        assert refusal.value.kind is CloudErrorKind.TRANSIENT
    cloud.knobs(api_fault=ApiFault.NONE)
    assert len(cached.list()) == 1


@pytest.mark.parametrize("entry", ["fleet", "retrying"])
@pytest.mark.parametrize("fault", [*PASSING, ApiFault.NONSENSE])
def test_a_request_that_did_not_come_through_is_not_made_again_by_itself(
    fault: ApiFault, entry: str, cloud: Cloud, make_provider: MakeProvider
) -> None:
    """Also where clouds.yaml asks for retries: they would be made of requests like this too."""
    server = cloud.create("gpu-1")
    provider = make_provider(entry=entry)
    before = cloud.posts(server)
    # One fault: a second request would get through.
    cloud.knobs(api_fault=fault, api_fault_count=1, api_fault_method="POST")
    with pytest.raises(CloudError) as refusal:
        provider.unshelve(server)
    assert refusal.value.kind is CloudErrorKind.TRANSIENT
    assert cloud.posts(server) == before
    assert provider.get(server).task_state is None


@pytest.mark.parametrize("entry", ["fleet", "retrying"])
def test_a_request_whose_answer_is_lost_is_found_in_the_list_of_actions(
    entry: str, cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    provider = make_provider(entry=entry)
    before = len(cloud.posts(server))
    cloud.knobs(api_fault=ApiFault.DROP_AFTER, api_fault_count=1, api_fault_method="POST")
    with pytest.raises(CloudError) as refusal:
        provider.unshelve(server)
    assert refusal.value.kind is CloudErrorKind.TRANSIENT
    cloud.until(server, "ACTIVE")
    assert [what for what, _ in cloud.posts(server)[before:]] == ["unshelve"]
    newest = provider.actions(server)[0]
    assert provider.action(server, newest.request_id).result is ActionResult.OK


def test_a_hung_nova_takes_no_longer_than_a_call_may(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    cached, fresh = make_provider(seconds=BRIEF), make_provider(seconds=BRIEF)
    cached.list()
    cloud.knobs(api_delay_seconds=60)
    for ask in (cached.list, fresh.list, lambda: cached.get(server)):
        began = time.monotonic()
        with pytest.raises(CloudError) as refusal:
            ask()
        assert refusal.value.kind is CloudErrorKind.TRANSIENT
        assert time.monotonic() - began < BRIEF + 1.0
    cloud.knobs(api_delay_seconds=0)
    assert len(cached.list()) == 1


def test_a_request_that_hangs_is_given_up_and_may_have_been_made(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    provider = make_provider(seconds=BRIEF)
    provider.list()
    cloud.knobs(api_delay_seconds=60, api_delay_method="POST")
    began = time.monotonic()
    with pytest.raises(CloudError) as refusal:
        provider.unshelve(server)
    assert refusal.value.kind is CloudErrorKind.TRANSIENT
    assert time.monotonic() - began < BRIEF + 1.0
    cloud.knobs(api_delay_seconds=0)
    # Nova comes to it after all, and its list says so.
    cloud.until(server, "ACTIVE")
    assert provider.actions(server)[0].kind == "unshelve"


def test_a_token_that_has_run_out_is_replaced_without_a_word(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    provider = make_provider()
    # Nova has not seen the token yet: one that it has, it believes for a while.
    provider._read(lambda link: link.log_in())
    link = provider._kept()
    assert link is not None
    token = link.cloud.session.get_token()
    with link.http.within(10):
        revoked = link.cloud.session.delete(
            f"{cloud.options.keystone_url}/auth/tokens", headers={"X-Subject-Token": str(token)}
        )
    assert revoked.status_code == 204
    provider.unshelve(server)
    cloud.until(server, "ACTIVE")
    assert link.cloud.session.get_token() != token

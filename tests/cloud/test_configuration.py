"""A configuration that cannot work is recognised at start, and spends nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.providers.openstack import OpenStackProvider
from orchestrator.providers.openstack_servers import FleetChoice
from orchestrator.providers.port import CloudError, CloudErrorKind, Complaint
from tests.cloud.conftest import CALL_SECONDS, MakeProvider
from tests.cloud.credentials import limited
from tests.cloud.loopback.options import MEMBER
from tests.cloud.running import FLEET, Cloud

pytestmark = pytest.mark.cloud


def test_a_good_configuration_draws_no_complaint(cloud: Cloud, make_provider: MakeProvider) -> None:
    cloud.create("gpu-1")
    assert make_provider().check() == []


@pytest.mark.parametrize(
    ("entry", "kind", "word"),
    [
        ("no-such-entry", CloudErrorKind.FATAL, "FLEET_CLOUD"),
        ("no-secret", CloudErrorKind.FATAL, "FLEET_CLOUD"),
        ("wrong-secret", CloudErrorKind.AUTH, "credential"),
        ("unknown-credential", CloudErrorKind.AUTH, "credential"),
        ("wrong-region", CloudErrorKind.FATAL, "region"),
        ("unreachable", CloudErrorKind.TRANSIENT, "reached"),
    ],
)
def test_a_wrong_entry_is_one_plain_sentence(
    entry: str, kind: CloudErrorKind, word: str, cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    before = cloud.posts(server)
    provider = make_provider(entry=entry, seconds=3.0)
    for ask in (lambda: provider.list(), lambda: provider.unshelve(server)):
        with pytest.raises(CloudError) as refusal:
            ask()
        assert refusal.value.kind is kind
        assert word in refusal.value.sentence, refusal.value.detail
        assert refusal.value.sentence.count(".") <= 2
        said = f"{refusal.value} {refusal.value.detail}"
        assert MEMBER.secret not in said
        assert "not-the-members-secret" not in said
    [complaint] = provider.check()
    assert complaint.blocking
    assert entry in complaint.sentence
    assert cloud.posts(server) == before


def test_a_reader_is_told_at_start_that_it_may_wake_nothing(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    provider = make_provider(entry="reader")
    [complaint] = provider.check()
    assert (complaint.blocking, "reader" in complaint.sentence) == (True, True)
    with pytest.raises(CloudError) as refusal:
        provider.unshelve(server)
    assert refusal.value.kind is CloudErrorKind.AUTH
    assert "permission" in refusal.value.sentence
    assert cloud.status(server) == ("SHELVED_OFFLOADED", None)


def test_a_credential_that_may_not_read_what_was_asked_is_refused_at_start(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose answer is lost would never be understood, and no ledger settled."""
    server = cloud.create("gpu-1")
    clouds = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    rules = [("GET", "/detail"), ("GET", f"/{server}"), ("POST", f"/{server}/action")]
    with limited(cloud, "half", rules, clouds):
        provider = OpenStackProvider("half", FleetChoice(("gpu-1",)), CALL_SECONDS)
        [complaint] = provider.check()
    assert (complaint.blocking, "os-instance-actions" in complaint.sentence) == (True, True)


def test_servers_that_are_not_there_or_not_one_are_named(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    cloud.create("gpu-1")
    twins = {cloud.create("gpu-2"), cloud.create("gpu-2")}
    provider = make_provider("gpu-1", "gpu-2", "gpu-3")
    found = {one.server: one for one in provider.check()}
    assert set(found) == {"gpu-2", "gpu-3"}
    assert "different names" in found["gpu-2"].sentence
    assert "no such server" in found["gpu-3"].sentence
    assert all(one.blocking for one in found.values())
    # Neither is forgotten: one of them may be a node already, and billed.
    assert {one.server_id for one in provider.list() if one.name == "gpu-2"} == twins


def test_a_tag_that_no_server_has_is_named(cloud: Cloud) -> None:
    cloud.create("gpu-1", tag="fleet=somebody")

    def by_tag(tag: str) -> Sequence[Complaint]:
        return OpenStackProvider(FLEET, FleetChoice((), tag), CALL_SECONDS).check()

    [complaint] = by_tag("fleet=nobody")
    assert "fleet=nobody" in complaint.sentence
    assert by_tag("fleet=somebody") == []


def test_a_credential_that_was_replaced_in_the_file_is_read_again(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    cloud.create("gpu-1")
    provider = make_provider(entry="wrong-secret")
    written = cloud.clouds_yaml.read_text()
    with pytest.raises(CloudError):
        provider.list()
    cloud.clouds_yaml.write_text(written.replace("not-the-members-secret", MEMBER.secret))
    try:
        assert [one.name for one in provider.list()] == ["gpu-1"]
    finally:
        cloud.clouds_yaml.write_text(written)


def test_a_hung_keystone_takes_no_longer_than_a_call_may(
    cloud: Cloud, make_provider: MakeProvider
) -> None:
    server = cloud.create("gpu-1")
    before = cloud.posts(server)
    cached = make_provider()
    cached.list()
    cloud.pause_keystone()
    for ask in (make_provider(seconds=2.0).list, lambda: make_provider(seconds=2.0).shelve(server)):
        began = time.monotonic()
        with pytest.raises(CloudError) as refusal:
            ask()
        assert refusal.value.kind is CloudErrorKind.TRANSIENT
        assert time.monotonic() - began < 3.0
    # Whoever has a token does not need Keystone.
    assert [one.name for one in cached.list()] == ["gpu-1"]
    cloud.pause_keystone(False)
    assert cloud.posts(server) == before

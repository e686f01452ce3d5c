"""One cloud for the whole run, as new for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orchestrator.providers.openstack import OpenStackProvider
from orchestrator.providers.openstack_servers import FleetChoice
from tests.cloud.running import FLEET, Cloud, loopback_cloud

CALL_SECONDS = 10.0

MakeProvider = Callable[..., OpenStackProvider]


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    with loopback_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Whatever the test before has left is put right now: the last one need not wait for that."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(running_cloud.clouds_yaml))
    running_cloud.reset()
    return running_cloud


@pytest.fixture
def make_provider(cloud: Cloud) -> MakeProvider:
    """A fleet's provider: by the names of its servers, by an entry of clouds.yaml."""

    def make(
        *names: str, entry: str = FLEET, tag: str = "", seconds: float = CALL_SECONDS
    ) -> OpenStackProvider:
        return OpenStackProvider(entry, FleetChoice(names or ("gpu-1",), tag), seconds)

    return make


@pytest.fixture
def provider(make_provider: MakeProvider) -> OpenStackProvider:
    return make_provider("gpu-1", "gpu-2")

"""Clouds: one port, and what stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.providers.local import LocalProvider
from orchestrator.providers.port import Provider
from orchestrator.settings import FleetSettings

if TYPE_CHECKING:
    from orchestrator.providers.openstack import OpenStackProvider


def provider(settings: FleetSettings) -> Provider:
    """The cloud that the settings name."""
    match settings.fleet_provider:
        case "local":
            return LocalProvider(Path(settings.fleet_local_folder), settings.fleet_servers)
        case "openstack":
            return _openstack(
                settings.fleet_cloud,
                settings.fleet_servers,
                settings.fleet_server_tag,
                settings.fleet_call_seconds,
            )


def marker(settings: FleetSettings) -> Callable[[str, Mapping[str, str]], None] | None:
    """What writes metadata on a server; None for a cloud whose servers have none."""
    if settings.fleet_provider == "local":
        return None
    return _openstack(
        settings.fleet_cloud,
        settings.fleet_servers,
        settings.fleet_server_tag,
        settings.fleet_call_seconds,
    ).mark


@cache
def _openstack(cloud: str, servers: tuple[str, ...], tag: str, seconds: float) -> OpenStackProvider:
    """One for the whole process: from tick to tick it keeps its threads' logins."""
    # Only here: the SDK is large, and the local cloud does without.
    from orchestrator.providers.openstack import OpenStackProvider
    from orchestrator.providers.openstack_servers import FleetChoice

    return OpenStackProvider(cloud, FleetChoice(servers, tag), seconds)

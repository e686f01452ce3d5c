"""Clouds: one port, and what stands behind it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from orchestrator.providers.local import LocalProvider
from orchestrator.providers.port import Provider
from orchestrator.settings import FleetSettings


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


@cache
def _openstack(cloud: str, servers: tuple[str, ...], tag: str, seconds: float) -> Provider:
    """One for the whole process: from tick to tick it keeps its threads' logins."""
    # Only here: the SDK is large, and the local cloud does without.
    from orchestrator.providers.openstack import OpenStackProvider
    from orchestrator.providers.openstack_servers import FleetChoice

    return OpenStackProvider(cloud, FleetChoice(servers, tag), seconds)

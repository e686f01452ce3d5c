"""Clouds: one port, and what stands behind it."""

from __future__ import annotations

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
            raise NotImplementedError

"""What the orchestrator can be told from the environment."""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

from pydantic import Field, SecretStr

from gpu_node.contracts.settings import Settings, Words, load


class FleetSettings(Settings):
    """See docs/settings.md. Times are seconds unless the name says minutes."""

    fleet_provider: Literal["local"] = "local"
    fleet_servers: Words = ()
    fleet_lease_seconds: float = Field(default=90.0, ge=5)
    fleet_heartbeat_seconds: float = Field(default=5.0, gt=0)
    fleet_tick_seconds: float = Field(default=10.0, gt=0)
    fleet_idle_minutes: float = Field(default=15.0, ge=0)
    fleet_boot_seconds: float = Field(default=300.0, gt=0)
    """How long a woken server may take until its worker is ready."""
    fleet_stop_seconds: float = Field(default=55.0, gt=0)
    """How long a worker may take to stop, once told to."""
    fleet_price_per_hour: float = Field(default=0.0, ge=0)
    fleet_local_folder: str = "var/cloud"
    site_url: str = "http://127.0.0.1:8000"
    """Where nodes reach the main server."""
    blob_folder: str = "var/blobs"
    blob_url_seconds: float = Field(default=3600.0, gt=0)
    blob_max_bytes: int = Field(default=50_000_000_000, gt=0)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")


@cache
def fleet_settings() -> FleetSettings:
    """The settings of this process. Raises SettingError."""
    return load(FleetSettings, os.environ)

"""What the orchestrator can be told from the environment."""

from __future__ import annotations

import os
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gpu_node.contracts.settings import Settings, Words, load
from orchestrator.states import FREE_STATUSES, CloudStatus


def _statuses(words: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(words) - set(CloudStatus))
    if unknown:
        raise ValueError(f"these are no statuses of a server: {', '.join(unknown)}")
    return words


def _tag(value: str) -> str:
    key, equals, said = value.partition("=")
    if value and not (key.strip() and equals and said.strip()):
        raise ValueError("it has to be written key=value")
    return value


_DAY, _YEAR = 86_400.0, 365 * 86_400.0
"""Seconds. What is meant to be longer is a slip, and would break what is reckoned with it."""


class FleetSettings(Settings):
    """See docs/settings.md. Times are seconds unless the name says otherwise."""

    fleet_provider: Literal["local", "openstack"] = "local"
    fleet_cloud: str = ""
    """The entry of clouds.yaml."""
    fleet_servers: Words = ()
    fleet_server_tag: Annotated[str, AfterValidator(_tag)] = ""
    """Metadata, key=value: every server that has it belongs to the fleet."""
    fleet_billed_statuses: Annotated[Words, AfterValidator(_statuses)] = tuple(
        status for status in CloudStatus if status not in FREE_STATUSES
    )
    """One that is stopped or in error keeps its GPU, and is paid for (reference: immers.cloud)."""
    fleet_call_seconds: float = Field(default=20.0, gt=0, le=120)
    """For one call to the cloud: the SDK itself would wait for ever."""

    fleet_lease_seconds: float = Field(default=90.0, ge=5, le=_DAY)
    fleet_heartbeat_seconds: float = Field(default=5.0, gt=0, le=_DAY)
    fleet_tick_seconds: float = Field(default=10.0, gt=0, le=_DAY)
    fleet_unshelve_seconds: float = Field(default=1800.0, gt=0, le=_DAY)
    """From the request until the server is ACTIVE."""
    fleet_boot_seconds: float = Field(default=300.0, gt=0, le=_DAY)
    """How long a woken server may take until its worker is ready."""
    fleet_stop_seconds: float = Field(default=55.0, gt=0, le=_DAY)
    """How long a worker may take to stop, once told to."""
    fleet_shelve_seconds: float = Field(default=3600.0, gt=0, le=_DAY)
    """From the request until the server is offloaded: a disk may have to be uploaded."""

    fleet_idle_minutes: float = Field(default=15.0, ge=0, le=_YEAR / 60)
    fleet_idle_policy: Literal["fixed", "adaptive"] = "fixed"
    fleet_cold_wait_minutes: float = Field(default=5.0, gt=0, le=_DAY / 60)
    """What it is worth that nobody waits for a cold node, in minutes of rent."""
    fleet_keep_warm: int = Field(default=0, ge=0)
    fleet_max_uptime_hours: float = Field(default=12.0, gt=0, le=_YEAR / 3600)
    fleet_target_wait_minutes: float = Field(default=10.0, ge=0, le=_YEAR / 60)
    """More nodes are woken while a job would wait for longer than that."""
    fleet_gpu_minutes_per_minute: float = Field(default=1.5, gt=0, le=1000)
    """Of GPU per minute of media, until jobs have shown it."""

    fleet_price_per_hour: Decimal = Field(default=Decimal(0), ge=0, max_digits=12, decimal_places=4)
    fleet_currency: str = Field(default="RUB", max_length=8)
    fleet_budget_day: Decimal = Field(default=Decimal(0), ge=0)
    fleet_budget_month: Decimal = Field(default=Decimal(0), ge=0)
    """0: no budget."""
    fleet_budget_alert_percent: float = Field(default=80.0, gt=0, le=100)
    fleet_urgent_priority: int = 10
    """Jobs of this priority and above run although the budget is spent."""

    fleet_local_folder: str = "var/cloud"
    site_url: str = "http://127.0.0.1:8000"
    """Where nodes reach the main server."""
    blob_folder: str = "var/blobs"
    blob_url_seconds: float = Field(default=3600.0, gt=0, le=_YEAR)
    blob_max_bytes: int = Field(default=50_000_000_000, gt=0)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    @model_validator(mode="after")
    def _whole(self) -> FleetSettings:
        if self.fleet_provider == "openstack":
            if not self.fleet_cloud:
                raise ValueError("FLEET_CLOUD has to name an entry of clouds.yaml")
            if not self.fleet_servers and not self.fleet_server_tag:
                raise ValueError("FLEET_SERVERS or FLEET_SERVER_TAG has to say which servers")
        if (self.fleet_budget_day or self.fleet_budget_month) and not self.fleet_price_per_hour:
            raise ValueError("a budget limits nothing without FLEET_PRICE_PER_HOUR")
        return self


@cache
def fleet_settings() -> FleetSettings:
    """The settings of this process. Raises SettingError."""
    return load(FleetSettings, os.environ)

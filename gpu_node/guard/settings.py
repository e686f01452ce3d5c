"""What the guard can be told from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gpu_node.contracts.pulse import RedisUrl
from gpu_node.contracts.settings import Settings


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("it has to begin with https:// (or http://)")
    return value.rstrip("/")


class GuardSettings(Settings):
    """See docs/settings.md."""

    guard_cloud: str = Field(min_length=1)
    """An entry of clouds.yaml, whose credential can do little else than this."""
    guard_server_id: str = Field(default="", pattern=r"^[0-9A-Za-z-]{0,64}$")
    """Of this node's own server; empty: the cloud's metadata service is asked."""
    guard_metadata_url: Annotated[str, AfterValidator(_http)] = (
        "http://169.254.169.254/openstack/latest/meta_data.json"
    )
    fleet_max_uptime_hours: float = Field(default=12.0, gt=0)
    site_url: Annotated[str, AfterValidator(_http)]
    redis_url: RedisUrl
    node_work_folder: Path
    guard_state: Path | None = None
    """For a guard whose account may not write to the worker's folder."""

    @property
    def state(self) -> Path:
        """What was seen when."""
        return self.guard_state or self.node_work_folder / "run" / "guard.json"

"""What the switch can be told from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from gpu_node.contracts.pulse import DEFAULT_TAG
from gpu_node.contracts.settings import Settings
from orchestrator.deadman.tags import Tag


def _tag(value: str) -> str:
    Tag.parse(value)
    return value


class DeadmanSettings(Settings):
    """See docs/settings.md."""

    deadman_cloud: str = Field(min_length=1)
    """An entry of clouds.yaml that is the switch's own: it outlives the fleet's."""
    deadman_state: Path = Path("var/deadman/memory.json")
    """What was seen when; on a disk that survives a restart."""
    fleet_server_tag: Annotated[str, AfterValidator(_tag)] = DEFAULT_TAG
    fleet_max_uptime_hours: float = Field(default=12.0, gt=0)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    @property
    def tag(self) -> Tag:
        return Tag.parse(self.fleet_server_tag)

"""What the worker can be told from the environment."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from gpu_node.contracts.settings import Settings, load


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("it has to begin with https:// (or http://)")
    return value.rstrip("/")


def _redis(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("it has to begin with rediss:// (or redis://)")
    return value


class NodeSettings(Settings):
    """See docs/settings.md."""

    node_name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")
    node_token: SecretStr = Field(min_length=16)
    site_url: Annotated[str, AfterValidator(_http)]
    """Where the main server is reached from here."""
    redis_url: Annotated[SecretStr, AfterValidator(_redis)]
    node_work_folder: Path
    """Unfinished jobs and results not yet sent; on a disk that survives a restart."""
    node_work_max_bytes: int = Field(default=100_000_000_000, ge=1_000_000_000)
    """Unfinished jobs of old are removed to keep below it."""


@cache
def node_settings() -> NodeSettings:
    """The settings of this process. Raises SettingError."""
    return load(NodeSettings, os.environ)

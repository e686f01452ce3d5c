"""What the worker can be told from the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gpu_node.contracts.pulse import RedisUrl
from gpu_node.contracts.settings import Settings, load
from gpu_node.transfers.sftp_login import SftpAccess
from gpu_node.worker.selftest import Need, Wants


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("it has to begin with https:// (or http://)")
    return value.rstrip("/")


def _needs(value: object) -> object:
    if not isinstance(value, str):
        return value
    return frozenset(part.strip() for part in value.split(",") if part.strip())


Needs = Annotated[frozenset[Need], BeforeValidator(_needs)]
"""Words with commas."""


class NodeSettings(Settings):
    """See docs/settings.md."""

    node_name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")
    node_token: SecretStr = Field(min_length=16)
    site_url: Annotated[str, AfterValidator(_http)]
    """Where the main server is reached from here."""
    redis_url: RedisUrl
    node_work_folder: Path
    """Unfinished jobs and results not yet sent; on a disk that survives a restart."""
    node_work_max_bytes: int = Field(default=100_000_000_000, ge=1_000_000_000)
    """Unfinished jobs of old are removed to keep below it."""
    node_needs: Needs = frozenset()
    """What has to answer before this node says that it is ready."""
    node_least_free_bytes: int = Field(default=1_000_000_000, ge=0)
    """With less room than that on the work folder's disk, it does not."""
    node_most_skew_seconds: float = Field(default=300.0, gt=0)
    ollama_url: Annotated[str, AfterValidator(_http)] = "http://127.0.0.1:11434"
    ollama_model: str = "qwen2.5:14b"
    chatterbox_url: Annotated[str, AfterValidator(_http)] = "http://127.0.0.1:8001"
    sftp_key_file: Path | None = None
    """For a main server that hands out files over SFTP; needed with the next."""
    sftp_known_hosts_file: Path | None = None
    sftp_user: str = Field(default="", pattern=r"^([a-z_][a-z0-9_-]{0,31})?$")
    """The account there; empty: it is called as this node is."""

    @model_validator(mode="after")
    def _whole(self) -> NodeSettings:
        if (self.sftp_key_file is None) != (self.sftp_known_hosts_file is None):
            raise ValueError("SFTP_KEY_FILE and SFTP_KNOWN_HOSTS_FILE are needed together")
        return self

    @property
    def wants(self) -> Wants:
        """What is looked at before work is taken."""
        return Wants(
            needs=self.node_needs,
            folder=self.node_work_folder,
            least_free=self.node_least_free_bytes,
            site_url=self.site_url,
            most_skew=timedelta(seconds=self.node_most_skew_seconds),
            ollama_url=self.ollama_url,
            ollama_model=self.ollama_model,
            chatterbox_url=self.chatterbox_url,
        )

    @property
    def sftp(self) -> SftpAccess | None:
        """How files are reached over SFTP, if they are."""
        if self.sftp_key_file is None or self.sftp_known_hosts_file is None:
            return None
        user = self.sftp_user or self.node_name
        return SftpAccess(user, self.sftp_key_file, self.sftp_known_hosts_file)


@cache
def node_settings() -> NodeSettings:
    """The settings of this process. Raises SettingError."""
    return load(NodeSettings, os.environ)

"""What SSH can be told from the environment."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from gpu_node.contracts.settings import SettingError, Settings, Words, load
from orchestrator.ssh.connection import Access, pinned, private_key
from orchestrator.ssh.running import Bounds
from orchestrator.ssh.shell import NodeShell
from orchestrator.ssh.trouble import SshTrouble
from orchestrator.ssh.units import is_unit


def _services(names: tuple[str, ...]) -> tuple[str, ...]:
    odd = [name for name in names if not is_unit(name)]
    if odd or not names:
        raise ValueError("each has to be a service's full name, such as ollama.service")
    return names


class SshSettings(Settings):
    """See docs/settings.md. Without a key nothing is done over SSH."""

    fleet_ssh_key_file: Path | None = None
    fleet_ssh_known_hosts: Path | None = None
    """The nodes' keys, each under the node's name."""
    fleet_ssh_user: str = Field(default="ubuntu", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    fleet_ssh_port: int = Field(default=22, ge=1, le=65535)
    fleet_ssh_units: Annotated[Words, AfterValidator(_services)] = (
        "dubfleet-worker.service",
        "chatterbox-tts.service",
        "ollama.service",
    )
    """The worker's comes first."""
    fleet_ssh_log_lines: int = Field(default=200, ge=1, le=10_000)
    fleet_ssh_seconds: float = Field(default=20.0, gt=0, le=120)
    """For one command, from its start to its end."""

    @model_validator(mode="after")
    def _whole(self) -> SshSettings:
        if (self.fleet_ssh_key_file is None) != (self.fleet_ssh_known_hosts is None):
            raise ValueError("FLEET_SSH_KEY_FILE and FLEET_SSH_KNOWN_HOSTS are needed together")
        return self


@cache
def ssh_settings() -> SshSettings:
    """The settings of this process. Raises SettingError."""
    return load(SshSettings, os.environ)


def node_shell(settings: SshSettings) -> NodeShell | None:
    """What works on the nodes; None where SSH is not set up."""
    if settings.fleet_ssh_key_file is None or settings.fleet_ssh_known_hosts is None:
        return None
    return NodeShell(
        access=Access(
            user=settings.fleet_ssh_user,
            key_file=settings.fleet_ssh_key_file,
            known_hosts=settings.fleet_ssh_known_hosts,
            port=settings.fleet_ssh_port,
        ),
        names=settings.fleet_ssh_units,
        lines=settings.fleet_ssh_log_lines,
        bounds=Bounds(settings.fleet_ssh_seconds),
    )


def check(settings: SshSettings) -> None:
    """Look at both files, once, at start. Raises SettingError."""
    if settings.fleet_ssh_key_file is None or settings.fleet_ssh_known_hosts is None:
        return
    try:
        private_key(settings.fleet_ssh_key_file)
        pinned(settings.fleet_ssh_known_hosts)
    except SshTrouble as trouble:
        raise SettingError(trouble.sentence) from None

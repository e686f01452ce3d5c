"""A real SSH server that stands for a node, and what logs in to it.

The node's systemctl, journalctl and sudo are scripts that are found first by the sessions of that
server: there is no systemd where tests run. All between them and us is real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ssh import Access, Host, NodeShell
from orchestrator.ssh.running import Bounds
from tests.support.sshd import SshServer, ssh_server

UNITS = ("dubfleet-worker.service", "ollama.service")
NAME = "gpu-1"


@dataclass
class Desk:
    """One node, and how it is logged in to."""

    server: SshServer
    folder: Path

    @property
    def host(self) -> Host:
        return Host(NAME, "127.0.0.1")

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def asked(self) -> list[str]:
        """What the node's programs were called with."""
        record = self.folder / "asked"
        return record.read_text().splitlines() if record.exists() else []

    def program(self, name: str, script: str) -> None:
        self.server.program(name, f'echo "{name} $*" >> {self.folder}/asked\n{script}')

    def know(self, line: str | None = None) -> None:
        self.known_hosts.write_text(self.server.known_as(NAME) if line is None else line)

    def shell(self, *, seconds: float = 20.0, **access: Any) -> NodeShell:
        facts = Access(
            user=self.server.user,
            key_file=self.server.key,
            known_hosts=self.known_hosts,
            port=self.server.port,
        )
        bounds = Bounds(seconds, most_kept=64 << 10, most_read=1 << 20)
        return NodeShell(replace(facts, **access), UNITS, 50, bounds)


@pytest.fixture(scope="session")
def ssh_node() -> Iterator[SshServer]:
    with ssh_server() as server:
        yield server


@pytest.fixture
def desk(ssh_node: SshServer, tmp_path: Path) -> Desk:
    desk = Desk(ssh_node, tmp_path)
    ssh_node.authorize(ssh_node.key)
    for program in ssh_node.programs.iterdir():
        program.unlink()
    ssh_node.program("sudo", '[ "$1" = -n ] || exit 9\nshift\nexec "$@"')
    desk.know()
    return desk

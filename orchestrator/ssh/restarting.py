"""What the reconciler asks of a node over SSH: the answer is a sentence, never a failure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.ssh.connection import Host
from orchestrator.ssh.evidence import evidence
from orchestrator.ssh.shell import NodeShell
from orchestrator.ssh.trouble import SshTrouble


@dataclass(frozen=True, slots=True)
class RestartWorker:
    """Called with a node's name and address; what came of it, for the node's record."""

    shell: NodeShell

    def __call__(self, name: str, address: str) -> str:
        try:
            host = Host(name, address)
        except ValueError:
            return f"The worker was not restarted: the address of {name} is not known."
        try:
            self.shell.restart(host, self.shell.worker)
        except SshTrouble as trouble:
            return f"The worker was not restarted: {trouble.sentence}"
        return f"{self.shell.worker} was restarted over SSH."


@dataclass(frozen=True, slots=True)
class FetchLog:
    """Called with a node's name and address; the end of its worker's log, or why there is none."""

    shell: NodeShell

    def __call__(self, name: str, address: str) -> str:
        try:
            host = Host(name, address)
        except ValueError:
            return f"(not fetched: the address of {name} is not known.)"
        return evidence(self.shell, host)

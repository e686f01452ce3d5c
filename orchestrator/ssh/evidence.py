"""A node's log beside a failure: fetched if that can be done, and never a failure of its own."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.ssh.connection import Host
from orchestrator.ssh.redaction import redact
from orchestrator.ssh.shell import NodeShell
from orchestrator.ssh.trouble import SshTrouble

_HEADING = "--- the end of the log of {unit} on {node} ---"


def evidence(shell: NodeShell, host: Host, secrets: Iterable[str] = ()) -> str:
    """The end of the worker's log, or one line that says why there is none."""
    heading = _HEADING.format(unit=shell.worker, node=host.name)
    try:
        log = redact(shell.journal(host, shell.worker), secrets)
    except SshTrouble as trouble:
        log = f"(not fetched: {trouble.sentence})"
    return f"{heading}\n{log.strip()}\n"

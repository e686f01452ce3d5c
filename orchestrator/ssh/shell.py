"""A node's units, looked at and mended from the main server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.ssh import units
from orchestrator.ssh.connection import Access, Host, connected
from orchestrator.ssh.redaction import redact
from orchestrator.ssh.running import Bounds, Finished, run
from orchestrator.ssh.trouble import SshReason, SshTrouble

_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class NodeShell:
    """Works on the nodes, one login for each thing done. All of it raises SshTrouble.

    `names` are the units it may touch; the first is the worker's. It keeps nothing open, so it may
    be shared by threads and carried across a fork.
    """

    access: Access
    names: tuple[str, ...]
    lines: int
    bounds: Bounds

    @property
    def worker(self) -> str:
        return self.names[0]

    def units(self, host: Host) -> Mapping[str, units.UnitState]:
        """How the units stand."""
        said = self._do(host, units.show(self.names))
        try:
            return units.parse(said, self.names)
        except units.NotUnderstood as odd:
            raise SshTrouble(
                SshReason.COMMAND_FAILED,
                f"The node {host.name} said something that systemctl never says.",
                str(odd),
            ) from None

    def restart(self, host: Host, unit: str) -> None:
        """Have a unit restarted; that it is back is not waited for."""
        self._do(host, units.restart(self._known(unit)))

    def journal(self, host: Host, unit: str) -> str:
        """The end of a unit's log, without the secrets that can be told to be such."""
        return redact(self._do(host, units.journal(self._known(unit), self.lines)))

    def _known(self, unit: str) -> str:
        if unit not in self.names:
            raise ValueError(f"{unit!r} is none of FLEET_SSH_UNITS")
        return unit

    def _do(self, host: Host, command: str) -> str:
        """What the command said. Raises SshTrouble, also for one that failed."""
        with connected(self.access, host) as line:
            finished = run(line, command, self.bounds)
        if finished.status != 0:
            raise _failed(host, command, finished)
        return finished.out


def _failed(host: Host, command: str, finished: Finished) -> SshTrouble:
    verb = " ".join(word for word in command.split() if word.isalpha())
    if finished.status is None:
        how = "was ended: it said too much, or was killed"
    else:
        how = f"ended with {finished.status}"
    words = redact((finished.err or finished.out).strip())[-_LAST_WORDS:]
    return SshTrouble(
        SshReason.COMMAND_FAILED, f"On the node {host.name} the command {verb} {how}.", words
    )

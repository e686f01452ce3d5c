"""One command on a node: both of its outputs read, so much of them kept, and an end to it all."""

from __future__ import annotations

import selectors
from dataclasses import dataclass, field

import paramiko

from orchestrator.ssh.connection import CutOff, Line, broken

_CHUNK_BYTES = 1 << 15
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a command may take in all, and how much of each output is kept: its end.

    One that says more than `most_read` bytes is hung up on.
    """

    seconds: float
    most_kept: int = 256 << 10
    most_read: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Finished:
    """`status` is None when the command was hung up on, or died without one."""

    status: int | None
    out: str
    err: str


@dataclass(slots=True)
class _Tail:
    """The end of what was said."""

    most: int
    said: int = 0
    kept: bytearray = field(default_factory=bytearray)

    def add(self, piece: bytes) -> None:
        self.said += len(piece)
        self.kept += piece
        if len(self.kept) > 2 * self.most:
            self._trim()

    def text(self) -> str:
        self._trim()
        # NUL cannot be stored by every database.
        return self.kept.decode("utf-8", "replace").replace("\0", "�")

    def _trim(self) -> None:
        del self.kept[: max(0, len(self.kept) - self.most)]


def run(line: Line, command: str, bounds: Bounds) -> Finished:
    """Run it to its end. Raises SshTrouble: TIMEOUT, UNREACHABLE."""
    with CutOff(line.sock, bounds.seconds) as cut_off:
        try:
            finished = _run(line.transport, command, bounds)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise broken(line, cut_off, error) from None
    if cut_off.done:
        # A line that was cut looks to the channel like a command that ended.
        raise broken(line, cut_off, TimeoutError())
    return finished


def _run(transport: paramiko.Transport, command: str, bounds: Bounds) -> Finished:
    out, err = _Tail(bounds.most_kept), _Tail(bounds.most_kept)
    with transport.open_session(timeout=bounds.seconds) as channel:
        channel.exec_command(command)
        channel.shutdown_write()
        if not _drain(channel, out, err, bounds):
            return Finished(None, out.text(), err.text())
        status = channel.recv_exit_status()
    if status < 0 and not transport.is_active():
        raise EOFError("the connection ended before the command did")
    return Finished(status if status >= 0 else None, out.text(), err.text())


def _drain(channel: paramiko.Channel, out: _Tail, err: _Tail, bounds: Bounds) -> bool:
    """Read both outputs until both have ended; False if there is too much of it.

    A line that is cut off ends them as well.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            # Asked before the last look at what is there: nothing comes after it.
            ended = channel.eof_received or channel.closed
            while channel.recv_ready():
                out.add(channel.recv(_CHUNK_BYTES))
            while channel.recv_stderr_ready():
                err.add(channel.recv_stderr(_CHUNK_BYTES))
            if out.said + err.said > bounds.most_read:
                return False
            if ended:
                return True
            selector.select(_LOOK_SECONDS)

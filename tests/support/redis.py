"""A private Redis: a free loopback port, an append-only file below var/, gone at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_VAR = Path(__file__).resolve().parents[2] / "var"
_READY_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass
class RedisServer:
    """One server, which may be killed and started again: its data and its port stay."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program, name = _program()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    name,
                    *("--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--dir", str(self.folder), "--appendonly", "yes", "--save", ""),
                    *("--maxmemory-policy", "noeviction"),
                ],
                executable=program,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_us,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start: {self._last_words()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running server."""
    _VAR.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="test-redis-", dir=_VAR))
    server = RedisServer(folder, free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program() -> tuple[str, str]:
    """The program, and the name to call it by.

    Debian's redis-tools holds the server too, as the checker of its files; the package that calls
    it redis-server would also start one for the whole machine.
    """
    for file, name in (
        ("redis-server", "redis-server"),
        ("redis-check-rdb", "redis-server"),
        ("valkey-server", "valkey-server"),
    ):
        if found := shutil.which(file):
            return found, name
    raise RuntimeError("There is no Redis here: install the package redis-tools.")


def _die_with_us() -> None:
    """In the child: killed tests must not leave a server behind."""
    parent = os.getppid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

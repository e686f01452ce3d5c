"""A private Redis: a free loopback port, an append-only file below var/, gone at the end."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import private_server

_VAR = Path(__file__).resolve().parents[2] / "var"


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
        self.process = private_server.start(
            [
                name,
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.folder), "--appendonly", "yes", "--save", ""),
                *("--maxmemory-policy", "noeviction"),
            ],
            self.folder / "log",
            self._answers,
            program=program,
        )

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


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

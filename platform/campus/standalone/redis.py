"""A Redis of our own: on this machine's loopback only, with a password, and never the machine's."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from campus.standalone.errors import StandaloneError
from campus.standalone.ports import LOOPBACK

_ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """Which file is run, and under which name: the name decides what it does."""

    path: str
    name: str


# Debian's redis-tools brings the server itself under the name of a check; redis-server would also
# start a service of the system's, which we neither need nor want to touch.
_CANDIDATES = (
    ("redis-server", "redis-server"),
    ("redis-check-rdb", "redis-server"),
    ("valkey-server", "valkey-server"),
)


def find(which: Callable[[str], str | None] = shutil.which) -> RedisProgram:
    """The server to run. Raises StandaloneError."""
    for file, name in _CANDIDATES:
        path = which(file)
        if path is not None and _serves(path, name):
            return RedisProgram(path, name)
    raise StandaloneError(
        "Redis is not installed. Install the package redis-tools (`make setup` does)."
    )


def _serves(path: str, name: str) -> bool:
    try:
        said = subprocess.run(
            [name, "--version"], executable=path, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and b" server v=" in said.stdout


def config(port: int, password: str, data: str) -> str:
    """The server's configuration. `data`: its folder, seen from where it is started."""
    return "\n".join(
        (
            f"bind {LOOPBACK}",
            f"port {port}",
            "protected-mode yes",
            f"requirepass {password}",
            "daemonize no",
            'logfile ""',
            f"dir {data}",
            # Every write is in the file a second later at most; no copies of the whole besides.
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # Rather refuse a message than throw away another one.
            "maxmemory-policy noeviction",
            "tcp-keepalive 60",
            "",
        )
    )


def url(port: int, password: str) -> str:
    """Where clients find it."""
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def answers(port: int, password: str) -> bool:
    """Whether it serves: it may still be reading its file."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_SECONDS) as connection:
            connection.sendall(_command("AUTH", password) + _command("PING"))
            return connection.makefile("rb").read(len(_ALIVE)) == _ALIVE
    except OSError:
        return False


_ALIVE = b"+OK\r\n+PONG\r\n"


def _command(*words: str) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words]
    return b"".join(parts)

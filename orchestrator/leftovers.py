"""Finding and ending every process that carries a mark in its environment.

A process group or a session can be left by a program that makes its own; the environment that it
was started with stays with it and with all that it starts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_SECONDS = 0.02


def marked(name: str, value: str) -> list[int]:
    """The living processes, other than ourselves, that were started with `name`=`value`."""
    mark = os.fsencode(f"{name}={value}")
    return [pid for pid in _pids() if pid != os.getpid() and mark in _environment(pid)]


def kill_marked(name: str, value: str, *, timeout: float = 5.0) -> int:
    """Kill them all, and what they start meanwhile. Returns how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + timeout
    while (found := marked(name, value)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(found)
        time.sleep(_LOOK_SECONDS)
    return len(killed)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    """Nothing for somebody else's process, and for one that has ended but was not collected."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []

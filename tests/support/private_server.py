"""Starting a server of the tests' own, which is gone when they are, however they end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_READY_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def start(
    argv: Sequence[str], log: Path, answers: Callable[[], bool], *, program: str | None = None
) -> subprocess.Popen[bytes]:
    """A server that answers. What it says goes to the end of `log`. Raises RuntimeError."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            argv,
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=die_with_us,
        )
    deadline = time.monotonic() + _READY_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            words = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{argv[0]} did not start: {words}")
        time.sleep(0.02)
    return process


def die_with_us() -> None:
    """In the child: killed tests must not leave a server behind."""
    parent = os.getppid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

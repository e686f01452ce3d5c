"""Runs another program so that it cannot outlive us, hang us or fill our memory.

One loop reads both pipes (two pipes and one blocking reader would deadlock), looks at the clock
and at the stop signal, and ends by killing the child's whole process group whatever happened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_node.contracts.errors import DubfleetError, Reason, stopped

log = logging.getLogger(__name__)

TAIL_BYTES = 64 * 1024
_LOOK_SECONDS = 0.1
_READ_BYTES = 64 * 1024
_STILL_OPEN_SECONDS = 2.0

INSTALL_HINTS = {
    "ffmpeg": "FFmpeg is not installed. Install the package ffmpeg (`make setup` does).",
    "ffprobe": "FFmpeg is not installed. Install the package ffmpeg (`make setup` does).",
    "espeak-ng": "eSpeak NG is not installed. Install the package espeak-ng (`make setup` does).",
    "apertium": "Apertium is not installed. Install the packages apertium and apertium-eng-spa "
    "(`make setup` does).",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `stderr` holds at most its last 64 KiB."""

    returncode: int
    stdout: bytes
    stderr: str


class Tail:
    """Keeps the last `limit` bytes of what is fed to it."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        self._limit = limit
        self._data = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._data += chunk
        if len(self._data) > 2 * self._limit:
            del self._data[: -self._limit]

    def text(self) -> str:
        return bytes(self._data[-self._limit :]).decode("utf-8", "replace")


def missing_program(name: str) -> DubfleetError:
    program = Path(name).name
    sentence = INSTALL_HINTS.get(program, f"The program {program} is not installed.")
    return DubfleetError(Reason.PROGRAM_MISSING, sentence)


def start(
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, so that all of it can be killed.

    `environment` is added to ours.

    Raises DubfleetError(PROGRAM_MISSING) when there is no such program.
    """
    log.debug("running %s", shlex.join(argv))
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            process_group=0,
        )
    except FileNotFoundError as error:
        raise missing_program(argv[0]) from error
    except OSError as error:
        raise DubfleetError(
            Reason.PROGRAM_FAILED, f"{Path(argv[0]).name} could not be started: {error.strerror}."
        ) from error


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and everything it started, and collect it. Safe to call twice."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: bytes | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
    stop: threading.Event | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end.

    `timeout` is in seconds of wall time. With `on_stdout` each chunk is handed over as it comes and
    none is kept. Raises DubfleetError: PROGRAM_MISSING, PROGRAM_TIMEOUT, CANCELLED (by `stop`).
    An exit code that is not 0 is returned, not raised: only the caller knows what it means.
    """
    process = start(
        argv,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        environment=environment,
    )
    kept = bytearray()
    errors = Tail()
    try:
        _pump(
            process,
            stdin or b"",
            on_stdout or kept.extend,
            errors.feed,
            _Watch(Path(argv[0]).name, time.monotonic() + timeout, stop),
        )
        return Finished(process.returncode, bytes(kept), errors.text())
    finally:
        kill_group(process)


@dataclass(frozen=True, slots=True)
class _Watch:
    program: str
    deadline: float
    stop: threading.Event | None

    def look(self) -> None:
        if self.stop is not None and self.stop.is_set():
            raise stopped()
        if time.monotonic() > self.deadline:
            raise DubfleetError(
                Reason.PROGRAM_TIMEOUT, f"{self.program} took too long and was stopped."
            )


def _pump(
    process: subprocess.Popen[bytes],
    to_write: bytes,
    on_stdout: Callable[[bytes], None],
    on_stderr: Callable[[bytes], None],
    watch: _Watch,
) -> None:
    pending = memoryview(to_write)
    with selectors.DefaultSelector() as selector:
        for pipe, sink in ((process.stdout, on_stdout), (process.stderr, on_stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, sink)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, None)
        ended_at: float | None = None
        while selector.get_map():
            watch.look()
            for key, _ in selector.select(_LOOK_SECONDS):
                if key.data is None:
                    pending = _write_some(selector, process, pending)
                    continue
                chunk = os.read(key.fd, _READ_BYTES)
                if chunk:
                    key.data(chunk)
                else:
                    selector.unregister(key.fileobj)
            if process.poll() is None:
                continue
            # A grandchild may hold the pipe open after the program itself is gone.
            ended_at = ended_at or time.monotonic()
            if time.monotonic() - ended_at > _STILL_OPEN_SECONDS:
                break
    while process.poll() is None:
        watch.look()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)


def _write_some(
    selector: selectors.BaseSelector, process: subprocess.Popen[bytes], pending: memoryview
) -> memoryview:
    """Write what the pipe takes; close it when all is written or nobody reads any more."""
    assert process.stdin is not None  # noqa: S101  # only registered when there is one
    try:
        written = os.write(process.stdin.fileno(), pending[:_READ_BYTES]) if pending else 0
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        pending, written = memoryview(b""), 0
    rest = pending[written:]
    if not rest:
        selector.unregister(process.stdin)
        process.stdin.close()
    return rest

"""Keeps programs running: supervisord, with a configuration written for it, as our child.

A program that ends is started again within a second or so; one that ends again and again a little
later each time, but for ever. When supervisord is killed, all it started ends with it: see
`orchestrator.parent_death`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from campus.standalone.errors import StandaloneError
from campus.standalone.processes import Process

_LOOK_SECONDS = 0.05
_LOG_BYTES = 10_000_000
_FOR_EVER = 1_000_000_000

_SPAWNED = re.compile(r"spawned: '([^']+)' with pid (\d+)$", re.MULTILINE)


def config(processes: Sequence[Process], logs: str, python: str) -> str:
    """supervisord's configuration. `logs`: their folder, seen from where it is started.

    Its parser knows no way to quote a file's name, so names of folders above must not be in it.
    """
    sections = [_own_section(logs)]
    sections += [_program(process, logs, python) for process in processes]
    tiers = sorted({process.tier for process in processes})
    # The groups stop one after the other, last first; what is in a group stops together.
    sections += [
        _section(
            f"group:tier{tier}",
            programs=",".join(one.name for one in processes if one.tier == tier),
            priority=tier,
        )
        for tier in tiers
    ]
    return "\n".join(sections)


class Supervision:
    """A running supervisord and what it keeps running."""

    def __init__(
        self, folder: Path, logs: Path, processes: Sequence[Process], environment: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._logs = logs
        self._processes = processes
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the programs follow within a second. Call it from the main thread."""
        run = self._folder / "run"
        run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        logs = os.path.relpath(self._logs, self._folder)
        text = config(self._processes, logs, sys.executable)
        (run / "supervisord.conf").write_text(text, encoding="utf-8")
        with (self._logs / "supervisord.out").open("wb") as output:
            self._child = subprocess.Popen(
                (
                    *(sys.executable, "-m", "orchestrator.parent_death"),
                    *("--parent", str(os.getpid()), "-m", "supervisor.supervisord"),
                    *("--nodaemon", "--configuration", "run/supervisord.conf"),
                ),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C and a closing terminal are ours to hear; we then stop it in good order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """supervisord's own."""
        return self._started().pid

    def alive(self) -> bool:
        """Whether supervisord runs. If it does not, nothing of it does."""
        return self._started().poll() is None

    def pids(self) -> dict[str, int]:
        """The programs that run now, as supervisord has written them down."""
        with contextlib.suppress(OSError):
            said = (self._logs / "supervisord.log").read_text("utf-8", "replace")
            newest = {name: int(pid) for name, pid in _SPAWNED.findall(said)}
            return {name: pid for name, pid in newest.items() if _parent(pid) == self.pid}
        return {}

    def stop(self, timeout: float, hurry: threading.Event | None = None) -> None:
        """Stop everything in good order; by force what is left after `timeout`, or on `hurry`."""
        child = self._child
        if child is None:
            return
        deadline = time.monotonic() + timeout
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        while child.poll() is None and time.monotonic() < deadline:
            if hurry is not None and hurry.is_set():
                break
            time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait()

    def last_words(self) -> str:
        """What supervisord said when it could not start."""
        with contextlib.suppress(OSError):
            return (self._logs / "supervisord.out").read_text("utf-8", "replace")[-2000:]
        return ""

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise StandaloneError("The site has not been started.")
        return self._child


def _parent(pid: int) -> int | None:
    """Whose child the process is; None when it is gone, or has ended and was not collected."""
    try:
        # The name, in parentheses, may hold anything.
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def _own_section(logs: str) -> str:
    return _section(
        "supervisord",
        logfile=f"{logs}/supervisord.log",
        logfile_maxbytes=_LOG_BYTES,
        logfile_backups=1,
        pidfile="run/supervisord.pid",
        childlogdir="run",
        silent="true",
        nocleanup="true",
    )


def _program(process: Process, logs: str, python: str) -> str:
    command = (python, "-m", "orchestrator.parent_death", *process.command)
    return _section(
        f"program:{process.name}",
        command=quoted(command),
        autorestart="true",
        # One that lives for less than this is waited for a little longer each time: one that
        # cannot start must not keep the machine busy with trying.
        startsecs=5,
        startretries=_FOR_EVER,
        stopsignal=process.stop_signal.name.removeprefix("SIG"),
        stopwaitsecs=process.stop_seconds,
        # The program tells its own children in good order; what does not listen goes together.
        stopasgroup="false",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=f"{logs}/{process.name}.log",
        stdout_logfile_maxbytes=_LOG_BYTES,
        stdout_logfile_backups=1,
    )


def _section(name: str, **options: object) -> str:
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items()]
    return "\n".join((f"[{name}]", *lines, ""))


def quoted(command: Sequence[str]) -> str:
    """The command as supervisord's parser reads it back.

    It splits words as a shell does, but first cuts the line at a space and a semicolon or hash.
    Raises StandaloneError for what cannot be written there.
    """
    words = [shlex.quote(word) for word in command]
    if any(character in word for word in words for character in "\r\n"):
        raise StandaloneError("The name of a folder above holds a line break: move it elsewhere.")
    return " ".join(word.replace(";", "';'").replace("#", "'#'") for word in words)

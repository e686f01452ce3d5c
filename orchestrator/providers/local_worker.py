"""A local server's system: it keeps the node's worker running, as systemd does on a GPU server."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.leftovers import kill_marked
from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import Order, WorkerFacts

log = logging.getLogger(__name__)

RESTART_AFTER = timedelta(seconds=1)
"""A worker that ended by itself is started again after this long."""

LOG_BYTES = 10_000_000

Command = Callable[[str], Sequence[str]]
"""What `orchestrator.parent_death` is to run as the worker of a node, by the node's name."""

PASSED_ON = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "HOME", "TMPDIR", "TZ")
"""What of our environment a worker gets besides its own settings: no secret of the site's."""

DISK_VARIABLE = "NODE_WORK_FOLDER"
"""Set for the worker and all it starts, to its own disk: by it they are known."""


def node_worker(_: str) -> tuple[str, ...]:
    """The worker as on a GPU server; it knows its name from its environment."""
    return ("-m", "gpu_node.worker")


def worker_environment(
    name: str, folder: ServerFolder, settings: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """All that a worker may know. `settings`: where the site and Redis are."""
    return {
        **{key: environ[key] for key in PASSED_ON if key in environ},
        **settings,
        "NODE_NAME": name,
        "NODE_TOKEN_FILE": str(folder.token_file),
        DISK_VARIABLE: str(folder.disk),
        "PYTHONUNBUFFERED": "1",
    }


@dataclass(slots=True)
class LocalWorker:
    """One node's worker process."""

    name: str
    folder: ServerFolder
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    told_at: datetime | None = None
    not_before: datetime | None = None

    def look(self, now: datetime) -> WorkerFacts:
        """Whether it runs. One that has just ended takes all it had started with it."""
        if self.process is not None and self.process.poll() is not None:
            log.info("%s: the worker ended with %d", self.name, self.process.returncode)
            self._power_off()
            self.process, self.told_at = None, None
            self.not_before = now + RESTART_AFTER
        return WorkerFacts(running=self.process is not None, told_at=self.told_at)

    def obey(self, order: Order, now: datetime) -> None:
        """Do to the process what the host wants."""
        match order:
            case Order.RUN:
                if self.process is None and (self.not_before is None or now >= self.not_before):
                    self._start()
            case Order.STOP:
                if self.process is not None and self.told_at is None:
                    log.info("%s: telling the worker to stop", self.name)
                    self.told_at = now
                    # The main process only: it tells its children itself, in good order.
                    self.process.terminate()
            case Order.KILL:
                log.warning("%s: the worker did not stop in time and is killed", self.name)
                self._power_off()
            case Order.NOTHING:
                self.not_before = None

    def clear(self) -> None:
        """End whatever an earlier host, killed since, may have left running here."""
        if left := kill_marked(DISK_VARIABLE, str(self.folder.disk)):
            log.warning("%s: ended %d processes of an earlier boot", self.name, left)

    def kill(self) -> None:
        """End it now."""
        if self.process is not None:
            self._power_off()
            self.process.wait()

    def _start(self) -> None:
        self.folder.disk.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        _rotate(self.log_file)
        parent = ("--parent", str(os.getpid()))
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "orchestrator.parent_death", *parent, *self.command),
                cwd=self.folder.disk,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        log.info("%s: started the worker, process %d", self.name, self.process.pid)

    def _power_off(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        kill_marked(DISK_VARIABLE, str(self.folder.disk))


def _rotate(path: Path) -> None:
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))

"""What `benchmarks.broker` measures with: a worker under a supervisor, a publisher, a diary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from celery import Celery

from gpu_node.contracts.node_api import NODE_QUEUE_PREFIX
from gpu_node.worker.__main__ import OPTIONS
from orchestrator.providers.local_worker import PASSED_ON

TASK = "benchmarks.broker"
READY, BEGUN, ENDED = "ready", "begun", "ended"

RESTART_SECONDS = 1.0
"""As long as the supervisors take that we run: see orchestrator.providers.local_worker."""
_LOOK_SECONDS = 0.02
_ROOT = Path(__file__).resolve().parents[1]


class Profile(StrEnum):
    """Whose settings a worker has."""

    NODE = "node"
    SITE = "site"


QUEUES = {Profile.NODE: f"{NODE_QUEUE_PREFIX}bench", Profile.SITE: "site"}


@dataclass(frozen=True, slots=True)
class Exit:
    """A worker that ended by itself."""

    at: float
    code: int
    reason: str


@dataclass
class Diary:
    """What the worker's tasks have written: when each began and ended."""

    path: Path

    def entries(self) -> list[tuple[float, str, str]]:
        with suppress(FileNotFoundError):
            lines = self.path.read_text(encoding="utf-8").splitlines()
            return [(float(at), what, name) for at, what, name in map(str.split, lines)]
        return []

    def times(self, what: str, name: str) -> list[float]:
        return [at for at, said, whose in self.entries() if (said, whose) == (what, name)]

    def begun(self) -> Counter[str]:
        """How often each task began."""
        return Counter(name for _, what, name in self.entries() if what == BEGUN)

    def wait(self, what: str, name: str, timeout: float) -> None:
        """Raises TimeoutError."""
        wait_for(lambda: self.times(what, name), timeout, f"{name} has not {what}")


class Worker:
    """A real worker process; `supervised`: it is started again whenever it has ended."""

    def __init__(
        self,
        profile: Profile,
        redis_url: str,
        folder: Path,
        *,
        supervised: bool,
        late: bool = False,
    ) -> None:
        self.diary = Diary(folder / "diary")
        self.exits: list[Exit] = []
        self._supervised = supervised
        self._log = folder / "worker.log"
        self._environment = {
            **{key: os.environ[key] for key in (*PASSED_ON, "TRANSPORT") if key in os.environ},
            "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'platform'}",
            **_environment(profile, redis_url),
            "DIARY": str(self.diary.path),
            "NODE_WORK_FOLDER": str(folder),
            **({"LATE": "1"} if late else {}),
        }
        self._queue = QUEUES[profile]
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def start(self) -> None:
        """Start it, and wait until it consumes. Raises TimeoutError."""
        self._thread.start()
        self.diary.wait(READY, "worker", 60)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _keep(self) -> None:
        while not self._over.is_set():
            process = self._process = self._spawn()
            while process.poll() is None and not self._over.wait(_LOOK_SECONDS):
                pass
            if process.poll() is not None:
                self.exits.append(Exit(time.monotonic(), process.returncode, self._reason()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not self._supervised:
                return
            self._over.wait(RESTART_SECONDS)

    def _spawn(self) -> subprocess.Popen[bytes]:
        parent = ("-m", "orchestrator.parent_death", "--parent", str(os.getpid()))
        celery = ("-m", "celery", "-A", "benchmarks.broker_worker", "worker")
        with self._log.open("ab") as log:
            return subprocess.Popen(
                (sys.executable, *parent, *celery, "-Q", self._queue, *OPTIONS),
                cwd=_ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _reason(self) -> str:
        """The last critical line of its log."""
        said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        critical = [line for line in said if "CRITICAL" in line]
        return critical[-1].partition("] ")[2] if critical else ""


class Publisher:
    """The main server's side, with its settings: it rings, and goes on when Redis is away."""

    def __init__(self, profile: Profile, redis_url: str) -> None:
        os.environ.update(_environment(profile, redis_url))
        self._queue = QUEUES[profile]
        self._app = Celery("publisher", set_as_current=False)
        self._app.config_from_object("campus.celery_settings")
        self._app.conf.broker_url = redis_url
        self.sent: list[str] = []
        self.refused: list[str] = []

    def send(self, name: str, seconds: float = 0.0) -> None:
        """As orchestrator.doorbell does, but for the expiry: what is late is to be seen."""
        try:
            self._app.send_task(TASK, args=(name, seconds), queue=self._queue, retry=False)
        except Exception:  # whatever it is called: the caller knows that it was not taken
            self.refused.append(name)
        else:
            self.sent.append(name)


@dataclass
class Bells:
    """A message every second, from a thread of its own, until it is stopped."""

    publisher: Publisher
    every: float = 1.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._ring)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _ring(self) -> None:
        number = 0
        while not self._over.wait(self.every):
            self.publisher.send(f"bell-{number}")
            number += 1


def wait_for(is_so: Callable[[], object], timeout: float, complaint: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {timeout:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _environment(profile: Profile, redis_url: str) -> dict[str, str]:
    """What the settings are read from; but for Redis they are not used here."""
    return {
        "PROFILE": profile,
        "REDIS_URL": redis_url,
        "NODE_NAME": "bench",
        "NODE_TOKEN": "not-used-by-this-benchmark",
        "SITE_URL": "http://127.0.0.1:9",
        "SECRET_KEY": "not-used-by-this-benchmark-either",
    }

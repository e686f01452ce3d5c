"""What `benchmarks.broker` measures with: a worker under a supervisor, a publisher, a diary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from celery import Celery

from gpu_node.contracts.node_api import NODE_QUEUE_PREFIX
from gpu_node.worker.__main__ import OPTIONS
from orchestrator.providers.local_worker import PASSED_ON, RESTART_AFTER

TASK = "benchmarks.broker"
READY, BEGUN, ENDED = "ready", "begun", "ended"

TRANSPORT_VARIABLE = "BENCH_TRANSPORT"
"""Transport options that take the place of ours, as JSON."""
LATE_VARIABLE = "BENCH_ACKS_LATE"

_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.02


class Profile(StrEnum):
    """Whose settings a worker has."""

    NODE = "node"
    SITE = "site"


_QUEUES = {Profile.NODE: f"{NODE_QUEUE_PREFIX}bench", Profile.SITE: "site"}


@dataclass(frozen=True)
class Diary:
    """What the worker's tasks have written: when each began and ended."""

    path: Path

    def entries(self) -> list[tuple[float, str, str]]:
        """When, what, and the name of the task."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [(float(at), what, name) for at, what, name in map(str.split, lines)]

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
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.diary = Diary(folder / "diary")
        self.exits: list[str] = []
        """Why it ended, as often as it did so by itself."""
        self._supervised = supervised
        self._log = folder / "worker.log"
        self._queue = _QUEUES[profile]
        self._environment = {
            **{key: os.environ[key] for key in PASSED_ON if key in os.environ},
            **_settings(redis_url),
            **(more or {}),
            "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'platform'}",
            "PROFILE": profile,
            "DIARY": str(self.diary.path),
            "NODE_WORK_FOLDER": str(folder),
        }
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def start(self) -> None:
        """Start it, and wait until it consumes. Raises TimeoutError."""
        self._thread.start()
        self.diary.wait(READY, "worker", _START_SECONDS)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.is_set():
            process = self._spawn()
            while process.poll() is None and not self._over.wait(_LOOK_SECONDS):
                pass
            if process.returncode is not None:
                self.exits.append(f"{process.returncode}: {self._reason()}")
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not self._supervised:
                return
            self._over.wait(RESTART_AFTER.total_seconds())

    def _spawn(self) -> subprocess.Popen[bytes]:
        parent = ("-m", "orchestrator.parent_death", "--parent", str(os.getpid()))
        celery = ("-m", "celery", "-A", "benchmarks.broker_worker", "worker")
        with self._log.open("ab") as log:
            return subprocess.Popen(
                (sys.executable, *parent, *celery, "-Q", self._queue, *OPTIONS),
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _reason(self) -> str:
        """The last critical line of its log."""
        said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        critical = [line for line in said if "CRITICAL" in line]
        return critical[-1].partition("] ")[2] if critical else "nothing said"


class Publisher:
    """The main server's side, with its settings: it rings, and goes on when Redis is away."""

    def __init__(self, profile: Profile, redis_url: str) -> None:
        for name, value in _settings(redis_url).items():
            os.environ.setdefault(name, value)
        self._queue = _QUEUES[profile]
        self._app = Celery("publisher", set_as_current=False)
        self._app.config_from_object("campus.celery_settings")
        self._app.conf.update(broker_url=redis_url)
        self.sent: dict[str, float] = {}
        """When."""
        self.refused: list[str] = []

    def send(self, name: str, seconds: float = 0.0) -> None:
        """As orchestrator.doorbell does, but for the expiry: what comes late is to be seen."""
        try:
            self._app.send_task(TASK, args=(name, seconds), queue=self._queue, retry=False)
        except Exception:  # whatever it is: the caller knows that it was not taken
            self.refused.append(name)
        else:
            self.sent[name] = time.monotonic()

    @contextmanager
    def ringing(self) -> Iterator[None]:
        """A message every second meanwhile, from a thread."""
        over = threading.Event()

        def ring() -> None:
            number = 0
            while not over.wait(1.0):
                self.send(f"bell-{number}")
                number += 1

        thread = threading.Thread(target=ring)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def wait_for(is_so: Callable[[], object], timeout: float, complaint: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {timeout:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _settings(redis_url: str) -> dict[str, str]:
    """What the settings insist on. But for Redis, nothing of it is used here."""
    return {
        "REDIS_URL": redis_url,
        "NODE_NAME": "bench",
        "NODE_TOKEN": "not-used-by-this-benchmark",
        "SITE_URL": "http://127.0.0.1:9",
        "SECRET_KEY": "not-used-by-this-benchmark-either",
    }

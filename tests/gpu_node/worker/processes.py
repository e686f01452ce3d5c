"""The real worker as a process: `celery -A … worker` with a node's environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from celery import Celery
from celery.result import AsyncResult

from gpu_node.contracts.node_api import DOORBELL_SECONDS, WORK_TASK
from gpu_node.worker.__main__ import OPTIONS
from tests.support.node_api import Site
from tests.support.redis import RedisServer

ROOT = Path(__file__).resolve().parents[3]
TOY = "tests.gpu_node.worker.toy_worker"
REAL = "gpu_node.worker"

SOON = 30.0
"""What is waited for comes in a second or two; the machine may be busy."""
_GONE_SECONDS = 15.0
_MARK = "DUBFLEET_TEST_WORKER"


def wait_for(wanted: Callable[[], object], within: float = SOON) -> None:
    """Other processes give no event to wait for."""
    deadline = time.monotonic() + within
    while not wanted():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


@dataclass
class WorkerProcess:
    """One node, whose worker may be started more than once."""

    site: Site
    redis: RedisServer
    folder: Path
    app: str = TOY
    node: str = field(default_factory=lambda: f"node-{uuid.uuid4().hex[:8]}")
    environment: Mapping[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def main(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    @property
    def child(self) -> int:
        """The pool's child."""
        children = [
            one
            for one in psutil.Process(self.main.pid).children()
            if one.name().startswith(("celery", "python"))
        ]
        assert len(children) == 1, children
        return children[0].pid

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                (sys.executable, "-m", *self._program()),
                cwd=ROOT,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith("COV_")},
                    "NODE_NAME": self.node,
                    "NODE_TOKEN": self.site.token,
                    "SITE_URL": self.site.url,
                    "REDIS_URL": self.redis.url,
                    "NODE_WORK_FOLDER": str(self.work),
                    _MARK: self.mark,
                    **self.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _program(self) -> tuple[str, ...]:
        if self.app == REAL:
            return (REAL,)
        return ("celery", "-A", self.app, "worker", "-n", f"{self.node}@%h", *OPTIONS)

    def started(self) -> None:
        """Wait until it has said that it is ready."""
        heard = len(self.site.beats)
        wait_for(lambda: any(b.state == "ready" for b in self.site.beats[heard:]))

    def ring(self, times: int = 1) -> list[AsyncResult[Any]]:
        """As the orchestrator does it."""
        app = Celery(broker=self.redis.url, backend=self.redis.url, set_as_current=False)
        queue = f"node.{self.node}"
        return [
            app.send_task(WORK_TASK, queue=queue, expires=DOORBELL_SECONDS, retry=False)
            for _ in range(times)
        ]

    def kill(self) -> None:
        self.main.kill()
        self.main.wait()

    def kill_child(self) -> None:
        os.kill(self.child, signal.SIGKILL)

    def terminate(self) -> float:
        """SIGTERM; how many seconds it took to end in good order."""
        began = time.monotonic()
        self.main.send_signal(signal.SIGTERM)
        assert self.main.wait(60) == 0, self.log
        return time.monotonic() - began

    def survivors(self) -> list[str]:
        """What still runs of it, given a moment to be gone."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (alive := [*self._alive()]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [" ".join(one.cmdline()) for one in alive]

    def clear(self) -> None:
        """End what a failed test has left running."""
        for one in self._alive():
            with contextlib.suppress(psutil.Error):
                one.kill()
        if self.process is not None:
            self.process.wait()

    def _alive(self) -> Iterator[psutil.Process]:
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                marked = one.environ().get(_MARK) == self.mark
                if marked and one.status() != psutil.STATUS_ZOMBIE:
                    yield one

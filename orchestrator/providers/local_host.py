"""The local cloud's compute host: it carries out what was asked of the servers.

`python -m orchestrator.providers.local_host` runs until it is told to stop. It keeps nothing in
its head: killed at any moment and started again, it goes on from the servers' folders, and the
workers of servers that were ACTIVE come back, as after the reboot of a real host.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from gpu_node.contracts.settings import SettingError, Settings, Words, load
from orchestrator.providers.local import wall_clock
from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import Order, ServerState, Timing, WorkerFacts, advance
from orchestrator.providers.local_worker import (
    Command,
    LocalWorker,
    node_worker,
    worker_environment,
)

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1

_FORWARDED = ("SITE_URL", "SITE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE")


class HostSettings(Settings):
    """See docs/settings.md."""

    fleet_local_folder: str
    fleet_servers: Words
    fleet_stop_seconds: float = Field(default=55.0, gt=0)
    local_boot_seconds: float = Field(default=3.0, ge=0)
    local_halt_seconds: float = Field(default=25.0, gt=0)
    """How long workers may take to stop when the host itself is told to."""
    log_folder: str = "var/log"


class HostBusy(Exception):
    """Another host has these servers."""


class Host:
    """All servers of the local cloud."""

    def __init__(
        self,
        workers: Sequence[LocalWorker],
        timing: Timing,
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._workers = workers
        self._timing = timing
        self._clock = clock
        self._trouble: dict[str, str] = {}

    def run(self, stop: threading.Event, halt: timedelta) -> None:
        """Carry out what is asked until `stop`, then give the workers `halt` to end."""
        for worker in self._workers:
            worker.clear()
        while not stop.is_set():
            self.look()
            stop.wait(LOOK_SECONDS)
        self._halt(halt)

    def look(self) -> None:
        """One step for every server. The trouble of one is not the others'."""
        for worker in self._workers:
            trouble = ""
            try:
                self._step(worker)
            except OSError as error:
                trouble = str(error)
            if trouble and trouble != self._trouble.get(worker.name):
                log.warning("%s: %s", worker.name, trouble)
            self._trouble[worker.name] = trouble

    def _step(self, worker: LocalWorker) -> None:
        now = self._clock()
        facts = worker.look(now)
        state = worker.folder.read()
        new, order = advance(state, facts, self._timing, now)
        if new != state:
            order = self._settle(worker, facts, now)
        worker.obey(order, now)

    def _settle(self, worker: LocalWorker, facts: WorkerFacts, now: datetime) -> Order:
        """Take the step under the lock, from what stands there then."""
        orders: list[Order] = []

        def step(state: ServerState) -> ServerState:
            new, order = advance(state, facts, self._timing, now)
            if new != state:
                log.info("%s: %s", worker.name, _described(new))
            orders.append(order)
            return new

        worker.folder.change(step)
        return orders[0]

    def _halt(self, halt: timedelta) -> None:
        """The servers stay ACTIVE: they will be back when the host is."""
        deadline = self._clock() + halt
        while (now := self._clock()) < deadline:
            running = [worker for worker in self._workers if worker.look(now).running]
            if not running:
                return
            for worker in running:
                worker.obey(Order.STOP, now)
            threading.Event().wait(LOOK_SECONDS)
        for worker in self._workers:
            worker.kill()


def build(settings: HostSettings, environ: Mapping[str, str], command: Command) -> Host:
    """The host of the servers that the settings name."""
    forwarded = {key: environ[key] for key in _FORWARDED if key in environ}
    logs = Path(settings.log_folder).absolute()

    def worker(name: str) -> LocalWorker:
        folder = ServerFolder(Path(settings.fleet_local_folder).absolute() / name)
        environment = worker_environment(name, folder, forwarded, environ)
        return LocalWorker(name, folder, command(name), environment, logs / f"{name}.log")

    timing = Timing(
        boot=timedelta(seconds=settings.local_boot_seconds),
        stop=timedelta(seconds=settings.fleet_stop_seconds),
    )
    return Host([worker(name) for name in settings.fleet_servers], timing)


@contextmanager
def only_host(folder: Path) -> Iterator[None]:
    """Be the only host of the servers in this folder. Raises HostBusy."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "host.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HostBusy(f"Another host is running the servers in {folder}.") from None
        yield


def main(command: Command = node_worker) -> int:
    """Run until told to stop; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load(HostSettings, os.environ)
        with only_host(Path(settings.fleet_local_folder)):
            host = build(settings, os.environ, command)
            host.run(stop, timedelta(seconds=settings.local_halt_seconds))
    except (SettingError, HostBusy, OSError) as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _described(state: ServerState) -> str:
    doing = f", {state.task_state}" if state.task_state else ""
    result = next((f": {one.message}" for one in state.actions[:1] if one.message), "")
    return f"{state.status}{doing}{result}"


if __name__ == "__main__":
    sys.exit(main())

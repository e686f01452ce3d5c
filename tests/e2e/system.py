"""A site with everything in it, what a test does to it, and what it sees."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from campus.standalone.site import Site, Wish, running_site
from tests.support.remote import Remote

LEASE = 10.0
HEARTBEAT = 1.0

SETTINGS = {
    "LOCAL_BOOT_SECONDS": "1",
    "FLEET_IDLE_MINUTES": "0.1",
    "FLEET_LEASE_SECONDS": str(LEASE),
    "FLEET_HEARTBEAT_SECONDS": str(HEARTBEAT),
    "FLEET_TICK_SECONDS": "1",
    "PUBLISHING_TICK_SECONDS": "1",
    "HOST_PROCESSING_SECONDS": "1",
    "FLEET_PRICE_PER_HOUR": "82.76",
}


class System(Remote):
    """A running site, and somebody in it who does what the test says."""

    def __init__(self, site: Site) -> None:
        super().__init__("tests.e2e.remote", site.environment)
        self.site = site

    def look(self, voiceover: str) -> Any:
        return self.tell("look", voiceover)

    def until(self, voiceover: str, reached: Callable[[Any], object], seconds: float = 90.0) -> Any:
        """Look until something is so; what was seen then."""
        until = time.monotonic() + seconds
        while True:
            seen = self.look(voiceover)
            if reached(seen):
                return seen
            assert time.monotonic() < until, f"not within {seconds} s: {seen}"
            time.sleep(0.1)

    def pid(self, name: str) -> int | None:
        """A program that supervisord keeps, by its name."""
        return self.site.supervision.pids().get(name)

    def kill(self, *names: str) -> None:
        """SIGKILL, all at once."""
        for pid in [pid for name in names if (pid := self.pid(name)) is not None]:
            os.kill(pid, signal.SIGKILL)

    def keep_dead(self, name: str, seconds: float) -> None:
        """Kill it again whenever it comes back."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.kill(name)
            time.sleep(0.1)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """The program and its children answer nothing, as when a network is gone."""
        pid = self.pid(name)
        assert pid is not None
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()

    def workers(self) -> list[psutil.Process]:
        """The node's Celery worker: its main process first."""
        found = []
        for process in psutil.Process(self.site.supervision.pid).children(recursive=True):
            try:
                if "gpu_node.worker" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda process: process.create_time())

    def kill_worker(self) -> None:
        """SIGKILL of the node's worker, main process first."""
        for process in self.workers():
            try:
                process.kill()
            except psutil.Error:
                continue


@contextmanager
def system(folder: Path, **settings: str) -> Iterator[System]:
    """A whole site below `folder`, gone at the end."""
    wish = Wish(
        folder=folder / "data",
        logs=folder / "log",
        site_port=18000,
        flower_port=15555,
        redis_port=26379,
        settings={**SETTINGS, **settings},
        demo_logins=True,
    )
    with running_site(wish) as site:
        running = System(site)
        try:
            yield running
        finally:
            running.close()


def asleep(seen: dict[str, dict[str, str]]) -> bool:
    return seen["node"]["cloud"] == "SHELVED_OFFLOADED" and not seen["node"]["worker"]

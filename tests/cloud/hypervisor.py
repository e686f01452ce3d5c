"""What Nova's fake hypervisor does not do: a server that is ACTIVE runs a system, a node's worker.

A server that is being shelved is told to shut down first, and one whose guest Nova has taken off
its host is gone at once, worker and all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gpu_node.worker.__main__ import OPTIONS
from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import Order
from orchestrator.providers.local_worker import LocalWorker, worker_environment
from tests.cloud.running import ROOT, Cloud

TOY = "tests.gpu_node.worker.toy_worker"


class Hypervisor:
    """The systems of a cloud's servers. To be asked to `step` from the main thread, often."""

    def __init__(self, cloud: Cloud, folder: Path, settings: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._folder = folder
        self._settings = settings
        self._workers: dict[str, LocalWorker] = {}

    def plug_in(self, server: str, name: str, token: str) -> None:
        """A server whose disk holds a node's name and token."""
        folder = ServerFolder(self._folder / name)
        folder.path.mkdir(parents=True)
        folder.token_file.write_text(token)
        told = {**self._settings, "PYTHONPATH": str(ROOT)}
        self._workers[server] = LocalWorker(
            name,
            folder,
            ("-m", "celery", "-A", TOY, "worker", "-n", f"{name}@%h", *OPTIONS),
            worker_environment(name, folder, told, os.environ),
            self._folder / f"{name}.log",
        )

    def step(self) -> None:
        """Have every worker run, stop or be gone, as Nova has its server."""
        guests = self._cloud.guests()
        for server, worker in self._workers.items():
            now = datetime.now(UTC)
            worker.look(now)
            worker.obey(self._order(server, server in guests), now)

    def running(self, server: str) -> bool:
        """Whether the server's worker is there."""
        return self._workers[server].look(datetime.now(UTC)).running

    def log(self, server: str) -> str:
        """What the server's worker wrote, its last part."""
        return self._workers[server].log_file.read_text("utf-8", "replace")[-3000:]

    def close(self) -> None:
        """Switch everything off."""
        for worker in self._workers.values():
            worker.kill()

    def _order(self, server: str, is_guest: bool) -> Order:
        if not is_guest:
            return Order.KILL if self.running(server) else Order.NOTHING
        status, task = self._cloud.status(server)
        if status != "ACTIVE":
            return Order.NOTHING
        if task is None:
            return Order.RUN
        return Order.STOP if task.startswith("shelving") else Order.NOTHING

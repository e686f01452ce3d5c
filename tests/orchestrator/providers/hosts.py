"""A local cloud with a real host and real processes, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.providers.local import LocalProvider
from orchestrator.providers.local_host import main
from orchestrator.states import CloudStatus

AMPLE = 20.0
BOOT_SECONDS = 0.4
WORKER = Path(__file__).with_name("script_worker.py")


def script_worker(name: str) -> tuple[str, ...]:
    return ("--", sys.executable, str(WORKER), name)


def eventually(condition: Callable[[], object], seconds: float = AMPLE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def alive(pid: int) -> bool:
    """Not counting one that has ended and was only not collected yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@dataclass
class Hosted:
    """A folder of local servers and the host that runs them."""

    root: Path
    names: tuple[str, ...] = ("gpu-1",)
    process: subprocess.Popen[bytes] | None = None

    @property
    def cloud(self) -> LocalProvider:
        return LocalProvider(self.root / "cloud", self.names)

    def disk(self, name: str = "gpu-1") -> Path:
        return self.root / "cloud" / name / "disk"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "FLEET_LOCAL_FOLDER": str(self.root / "cloud"),
            "FLEET_SERVERS": ",".join(self.names),
            "LOCAL_BOOT_SECONDS": str(BOOT_SECONDS),
            "LOCAL_HALT_SECONDS": "3",
            "FLEET_STOP_SECONDS": "1.5",
            "LOG_FOLDER": str(self.root / "log"),
            "SITE_URL": "http://127.0.0.1:9",
            "REDIS_URL_FILE": "/run/redis-url",
            "SECRET_KEY": "the site's own",
            "DATABASE_URL": "the site's own",
            **more,
        }

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__], env=self.environment(**more)
        )
        return self.process

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def boots(self, name: str = "gpu-1") -> list[dict[str, Any]]:
        """Every start of the worker, oldest first."""
        try:
            lines = (self.disk(name) / "boots").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def wake(self, name: str = "gpu-1") -> dict[str, Any]:
        """Wake the server and wait for its worker."""
        before = len(self.boots(name))
        self.cloud.unshelve(name)
        assert eventually(lambda: len(self.boots(name)) > before)
        return self.boots(name)[-1]

    def asleep(self, name: str = "gpu-1") -> bool:
        facts = self.cloud.get(name)
        return facts.status is CloudStatus.SHELVED_OFFLOADED and facts.task_state is None


if __name__ == "__main__":
    sys.exit(main(script_worker))

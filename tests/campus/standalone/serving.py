"""`manage.py serve` as somebody at a terminal runs it."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.campus.standalone.living import descendants, eventually

ROOT = Path(__file__).resolve().parents[3]
ODD = 'Мой 100% site; it\'s "here" #1'
STARTS_WITHIN = 120.0
SITE_PORT, FLOWER_PORT = 24950, 25950


@dataclass
class Serving:
    process: subprocess.Popen[str]
    output: Path
    folder: Path

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"^site: (\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    @property
    def flower(self) -> tuple[str, str]:
        """Where it is, and who may see it."""
        found = re.search(r"^Flower: (\S+)\n +(\S+) +(\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1], f"{found[2]}:{found[3]}"

    def secrets(self) -> set[str]:
        files = [*(self.folder / "secrets").iterdir(), *(self.folder / "cloud").glob("*/token")]
        return {file.read_text() for file in files}

    def ready(self) -> bool:
        return eventually(
            lambda: "Ctrl-C stops" in self.said or self.process.poll() is not None, STARTS_WITHIN
        )

    def pids(self) -> set[int]:
        return descendants(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGINT, seconds: float = 70.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def command(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, str(ROOT / "platform" / "manage.py"), "serve"),
        *("--port", str(SITE_PORT), "--flower-port", str(FLOWER_PORT)),
        *("--folder", str(folder), "--logs", str(folder / "log"), *more),
    ]


def serve(folder: Path, output: Path) -> Serving:
    """Start it and wait until it says that it is ready."""
    with output.open("w") as file:
        process = subprocess.Popen(
            command(folder), stdout=file, stderr=subprocess.STDOUT, text=True, process_group=0
        )
    serving = Serving(process, output, folder)
    assert serving.ready()
    assert process.poll() is None, serving.said
    return serving


def status(url: str, login: str = "") -> int:
    """What the server answers; 0 when it does not."""
    request = urllib.request.Request(url)  # noqa: S310  # our own, on the loopback
    if login:
        proof = base64.b64encode(login.encode()).decode()
        request.add_header("Authorization", f"Basic {proof}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # as above
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0

"""The real speech service on a port that stays: to be shared, ended, or slowed down."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gpu_node.engines.tts.asking import Address, ask
from gpu_node.engines.tts.child import require_installed
from gpu_node.engines.tts.health import Health
from gpu_node.engines.tts.service import Named, SpeechService
from tests.support.redis import free_port

# Waits with one text for as long as its gate is there; notes whatever it is given to say.
_ESPEAK = """#!/bin/bash
case " $* " in *" --stdin "*) ;; *) exec {real} "$@" ;; esac
text=$(cat)
printf '%s\\n' "$text" >>{log}
if [[ $text == {held} ]]; then while [[ -e {gate} ]]; do sleep 0.02; done; fi
exec {real} "$@" < <(printf '%s' "$text")
"""


@dataclass
class Booth:
    """An `espeak-ng` to be put first on a PATH; it says "wait" only when the gate is opened."""

    folder: Path
    held: str = "wait"

    def __post_init__(self) -> None:
        real = shutil.which("espeak-ng")
        assert real is not None
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        self.gate.touch()
        script = programs / "espeak-ng"
        words = {"real": real, "log": self.log, "held": self.held, "gate": self.gate}
        script.write_text(_ESPEAK.format_map({k: shlex.quote(str(v)) for k, v in words.items()}))
        script.chmod(0o755)
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def log(self) -> Path:
        return self.folder / "said"

    def open(self) -> None:
        self.gate.unlink()

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@dataclass
class SpeechServer:
    """One service with eSpeak NG, which may be ended and started again."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Health:
        """Start it, and wait until it can speak."""
        self.begin()
        place = Named(Address.parse(self.url))
        place.patience = 60.0
        return SpeechService(place).found().health

    def begin(self) -> None:
        """Start it, and wait for nothing."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [require_installed(), "-I", "-m", "chatterbox_service", "--until-eof"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={
                    **os.environ,
                    "TTS_ENGINE": "espeak",
                    "TTS_PORT": str(self.port),
                    "TTS_REFERENCE_FOLDER": str(self.folder / "references"),
                    "TTS_STOP_SECONDS": "1",
                    **self.environment,
                },
                start_new_session=True,
            )

    def counted(self, what: str) -> float:
        """One of the figures that it keeps for Prometheus."""
        answer = ask(Address.parse(self.url), "/metrics", timeout=30.0)
        for line in answer.body.decode().splitlines():
            name, _, value = line.partition(" ")
            if name == f"tts_{what}_total":
                return float(value)
        raise AssertionError(f"nobody counts {what}")

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


@contextmanager
def speech_server(folder: Path, **environment: str) -> Iterator[SpeechServer]:
    """A running service."""
    server = SpeechServer(folder, environment)
    server.start()
    try:
        yield server
    finally:
        server.kill()

"""A speech service of our own, in its own environment: started when there is none to be asked.

It speaks with eSpeak NG. It ends when we do, however that happens: a pipe that we hold is its
stdin, and the kernel closes that with us.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.engines.tts.asking import Address, look

_FOLDER = Path(__file__).resolve().parents[3] / "chatterbox_service"
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_LOG_BYTES = 4096

NOT_INSTALLED = "The speech service is not installed: run `make setup`, or set SPEECH_URL."


class _Listening(BaseModel):
    host: str
    port: int


class _FirstLine(BaseModel):
    listening: _Listening


def require_installed() -> Path:
    """The Python of the service's environment. Raises DubfleetError(PROGRAM_MISSING)."""
    python = _FOLDER / ".venv" / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise DubfleetError(Reason.PROGRAM_MISSING, NOT_INSTALLED)
    if shutil.which("espeak-ng") is None:
        raise process.missing_program("espeak-ng")
    return python


class Child:
    """One process, which may be started again. For one thread at a time.

    `folder`: for whatever it writes; it is nobody else's and goes with the dub.
    """

    patience = _START_SECONDS
    """Seconds after which it counts as dumb if it does not answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it start, if it does not run; it takes about a second. Raises PROGRAM_MISSING."""
        if self._process is not None:
            return
        python = require_installed()
        with self._log.open("wb") as log:
            self._process = process.start(
                # Isolated: what is set for our own Python is not meant for it.
                [str(python), "-I", "-m", "chatterbox_service", "--until-eof"],
                stdin=subprocess.PIPE,
                stderr=log.fileno(),
                environment=self._environment(),
            )

    def address(self, stop: threading.Event | None) -> Address:
        """Where it listens. Raises DubfleetError: PROGRAM_MISSING, ENGINE_FAILED, CANCELLED."""
        self.start()
        deadline = time.monotonic() + _START_SECONDS
        line = bytearray()
        assert self._process is not None and self._process.stdout is not None  # noqa: S101  # started just now
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                look(stop)
                if not selector.select(_LOOK_SECONDS):
                    if time.monotonic() > deadline:
                        raise self._failed("did not start in time")
                    continue
                chunk = os.read(self._process.stdout.fileno(), 4096)
                if not chunk:
                    raise self._failed("ended while it started")
                line += chunk
        try:
            told = _FirstLine.model_validate_json(bytes(line)).listening
        except ValidationError as error:
            raise self._failed("did not say where it listens") from error
        return Address(told.host, told.port)

    def require_running(self) -> None:
        """Raises DubfleetError(ENGINE_FAILED) when it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise self._failed("ended while it started")

    def close(self) -> None:
        """End it and all that it has started. It may be started again."""
        if self._process is not None:
            process.kill_group(self._process)
            self._process = None

    def _environment(self) -> Mapping[str, str]:
        # An empty one counts as not set: what is set for another service is not meant for this.
        others = {name: "" for name in os.environ if name.startswith("TTS_")}
        return {
            **others,
            "TTS_ENGINE": "espeak",
            "TTS_HOST": "127.0.0.1",
            "TTS_PORT": "0",
            "TTS_REFERENCE_FOLDER": str(self._folder / "references"),
            "TTS_STOP_SECONDS": "1",
            "TMPDIR": str(self._folder),
        }

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _failed(self, how: str) -> DubfleetError:
        try:
            said = self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace")
        except OSError:
            said = ""
        self.close()
        return DubfleetError(
            Reason.ENGINE_FAILED,
            f"The speech service {how}: run `make setup`, or set SPEECH_URL.",
            detail=said,
        )

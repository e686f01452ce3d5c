"""The service on a loopback port: the application in a thread, or the program as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from chatterbox_service.main import app_of
from chatterbox_service.ports import Engine, Recogniser
from chatterbox_service.service import Service
from chatterbox_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Served:
    """An application that runs in this process, and its innards."""

    url: str
    service: Service

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)  # type: ignore[arg-type]  # httpx's own


@contextmanager
def served(
    folder: Path, engine: Engine, recogniser: Recogniser | None = None, **settings: object
) -> Iterator[Served]:
    """Real HTTP, an engine of the test's own. `settings` are fields of Settings."""
    chosen = Settings.model_validate({"reference_folder": folder / "references", **settings})
    service = Service(chosen, engine, recogniser)
    with _in_thread(app_of(service)) as url:
        yield Served(url, service)


@contextmanager
def _in_thread(app: FastAPI) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        reached(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def reached(what: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Program:
    """`python -m chatterbox_service`, as it is run in production."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def wait_until_healthy(self) -> None:
        with self.client() as client:
            reached(lambda: client.get("/health").json()["status"] == "healthy", 30)


@contextmanager
def program(folder: Path, **settings: str) -> Iterator[Program]:
    """The program with the espeak engine; `settings` are TTS_ variables without their prefix."""
    with _started(environment(folder, settings)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr is not None else ""
        where = json.loads(line)["listening"]
        yield Program(f"http://{where['host']}:{where['port']}", process, folder)


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    chosen = {"engine": "espeak", "port": "0", "reference_folder": str(folder / "references")}
    chosen |= settings
    ours = {f"TTS_{name.upper()}": value for name, value in chosen.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TTS_")}
    return {**inherited, **ours}


@contextmanager
def _started(variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "chatterbox_service"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()

"""The program as it is run: real sound of a real engine, and its ends."""

from __future__ import annotations

import base64
import io
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import soundfile

from tests.chatterbox_service.served import Program, environment, program, reached

SENTENCES = {
    "en": "Every lesson has a beginning and an end.",
    "ru": "У каждого урока есть начало и конец.",
    "es": "Cada lección tiene un principio y un final.",
    "zh": "每节课都有开始和结束。",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program(tmp_path_factory.mktemp("program")) as it:
        it.wait_until_healthy()
        yield it


@pytest.mark.parametrize("language", SENTENCES)
def test_it_speaks(running: Program, language: str) -> None:
    with running.client() as client:
        asked = {"text": SENTENCES[language], "language": language}
        said = client.post("/api/tts/generate", json=asked).json()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(said["audio_base64"])))
    assert rate == 24_000
    assert 1.0 < len(samples) / rate < 8.0
    assert len(samples) / rate == pytest.approx(said["duration_seconds"], abs=0.002)
    quiet = np.abs(samples).max() * 10 ** (-45 / 20)
    heard = np.flatnonzero(np.abs(samples) > quiet)
    assert heard[0] / rate < 0.03, "silence before it is trimmed"
    assert (len(samples) - heard[-1]) / rate < 0.08


def test_it_says_how_it_is(running: Program) -> None:
    with running.client() as client:
        health = client.get("/health").json()
    assert (health["engine"], health["device"], health["clones"]) == ("espeak", "cpu", False)
    assert health["languages"]["ru"] == {"ready": True, "lacks": ""}
    assert health["engine_version"][0].isdigit()


def test_an_answer_does_not_wait_for_the_clients_next_packet(running: Program) -> None:
    """Without TCP_NODELAY each took 40 ms on a connection that is kept."""
    took = []
    with running.client() as client:
        for _ in range(21):
            began = time.perf_counter()
            client.get("/health")
            took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.03


def test_a_stop_lets_a_batch_end_or_cuts_it_where_it_shows(tmp_path: Path) -> None:
    with program(tmp_path, stop_seconds="5") as it:
        it.wait_until_healthy()
        some = [{"id": str(n), "text": f"Line number {n} of many."} for n in range(2000)]
        with (
            it.client() as client,
            client.stream(
                "POST", "/api/tts/batch", json={"language": "en", "lines": some}
            ) as answer,
        ):
            received = answer.iter_lines()
            next(received)
            it.process.send_signal(signal.SIGTERM)
            got: list[str] = []
            with suppress(httpx.RemoteProtocolError):
                got.extend(received)
            said = json.loads(got[-1]) if got else {}
            assert said.get("status") != "end" or said["failed"] > 0
        assert it.process.wait(20) == 0
        assert list((tmp_path / "references").iterdir()) == []


def test_killed_it_leaves_no_process_and_starts_again(tmp_path: Path) -> None:
    with program(tmp_path) as it:
        it.wait_until_healthy()
        thread = threading.Thread(target=_ask, args=(it.url, "word " * 900))
        thread.start()
        family = psutil.Process(it.process.pid)
        reached(lambda: bool(family.children()))
        children = family.children(recursive=True)
        it.process.kill()
        it.process.wait()
        thread.join(20)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
    with program(tmp_path) as it:
        it.wait_until_healthy()


def _ask(url: str, text: str) -> None:
    with suppress(httpx.TransportError):
        httpx.post(f"{url}/api/tts/generate", json={"text": text, "language": "en"}, timeout=20)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "chatterbox_service"],
            env=environment(tmp_path, {"port": port}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert f":{port} cannot be listened on" in done.stderr

"""What a node finds wrong with itself, against services of the documented shapes over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gpu_node.contracts.node_api import GpuFacts
from gpu_node.worker import selftest
from gpu_node.worker.gpu import Gpu
from gpu_node.worker.selftest import Need, Wants, checks, first_fault
from tests.support.redis import free_port

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CARD = GpuFacts(
    name="NVIDIA GeForce RTX 4090",
    use_percent=3,
    memory_used_mb=812,
    memory_total_mb=24564,
    temperature=41,
)
MODELS = {"models": [{"name": "qwen2.5:14b", "size": 8988124069}, {"name": "gemma3:latest"}]}
SPEAKS = {"status": "healthy", "model_loaded": True, "device": "cuda", "vram_used_gb": 3.2}


class Neighbours:
    """Everything a node asks, on one port."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"/api/tags": MODELS, "/health": SPEAKS, "/healthz": {}}
        self.status = 200
        self.date = NOW
        neighbours = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the library's name
                body = neighbours.answers.get(self.path)
                text = body if isinstance(body, str) else json.dumps(body)
                self.send_response_only(neighbours.status if body is not None else 404)
                self.send_header("Date", format_datetime(neighbours.date, usegmt=True))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(text.encode())

            do_HEAD = do_GET  # noqa: N815  # the library's name

            def log_message(self, *_: object) -> None:
                """Nothing: the test's output is for failures."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def beside() -> Iterator[Neighbours]:
    neighbours = Neighbours()
    serve = partial(neighbours.server.serve_forever, poll_interval=0.02)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield neighbours
    neighbours.server.shutdown()
    neighbours.server.server_close()


def wants(beside: Neighbours, folder: Path, **changes: Any) -> Wants:
    facts: dict[str, Any] = {
        "needs": frozenset(Need),
        "folder": folder,
        "least_free": 1,
        "site_url": beside.url,
        "most_skew": timedelta(minutes=5),
        "ollama_url": beside.url,
        "ollama_model": "qwen2.5:14b",
        "chatterbox_url": beside.url,
    }
    return Wants(**{**facts, **changes})


def fault(asked: Wants, card: GpuFacts | None = CARD) -> str:
    return first_fault(checks(asked, lambda: card, lambda: NOW))


def test_a_node_that_has_everything(beside: Neighbours, tmp_path: Path) -> None:
    assert fault(wants(beside, tmp_path)) == ""


def test_a_card_that_is_missing_matters_where_one_is_needed(
    beside: Neighbours, tmp_path: Path
) -> None:
    assert "graphics card" in fault(wants(beside, tmp_path), card=None)
    assert fault(wants(beside, tmp_path, needs=frozenset()), card=None) == ""


def test_a_disk_that_is_nearly_full(beside: Neighbours, tmp_path: Path) -> None:
    said = fault(wants(beside, tmp_path, least_free=10**18))
    assert "GB are free" in said
    assert "cannot be used" in fault(wants(beside, tmp_path / "gone"))


@pytest.mark.parametrize(("minutes", "word"), [(-6, "ahead of"), (6, "behind")])
def test_a_clock_that_went_wrong_while_the_node_slept(
    beside: Neighbours, tmp_path: Path, minutes: int, word: str
) -> None:
    beside.date = NOW + timedelta(minutes=minutes)
    assert fault(wants(beside, tmp_path)) == f"The node's clock is 360 s {word} the main server's."


def test_a_main_server_that_is_away_says_nothing_about_the_clock(
    beside: Neighbours, tmp_path: Path
) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    assert fault(wants(beside, tmp_path, site_url=away)) == ""


@pytest.mark.parametrize("model", ["qwen2.5:14b", "gemma3", "gemma3:latest"])
def test_ollama_has_the_model(beside: Neighbours, model: str) -> None:
    assert selftest.ollama(beside.url, model) == ""


@pytest.mark.parametrize("model", ["qwen2.5", "qwen2.5:7b", "gemma3:27b"])
def test_ollama_has_it_not(beside: Neighbours, model: str) -> None:
    assert model in selftest.ollama(beside.url, model)


@pytest.mark.parametrize("answer", ["Ollama is running", {}, {"models": [{}]}, [], None])
def test_something_else_answers_in_ollamas_place(beside: Neighbours, answer: Any) -> None:
    beside.answers["/api/tags"] = answer
    assert selftest.ollama(beside.url, "qwen2.5:14b") == "Ollama does not answer."


def test_ollama_that_fails(beside: Neighbours) -> None:
    beside.status = 500
    assert selftest.ollama(beside.url, "qwen2.5:14b") == "Ollama does not answer."


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({**SPEAKS, "status": "initialising", "model_loaded": False}, "initialising"),
        ({**SPEAKS, "status": "error"}, "error"),
        ({**SPEAKS, "model_loaded": False}, "not ready"),
        ({"status": "healthy"}, "does not answer"),
        ("<html>", "does not answer"),
    ],
)
def test_a_speech_service_that_cannot_speak(beside: Neighbours, answer: Any, word: str) -> None:
    beside.answers["/health"] = answer
    assert word in selftest.chatterbox(beside.url)


def test_a_service_that_is_not_there() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert selftest.ollama(nowhere, "x") == "Ollama does not answer."
    assert selftest.chatterbox(nowhere) == "The Chatterbox service does not answer."


def test_where_there_is_no_card_there_are_no_facts() -> None:
    """On a machine that has one they are facts; both are fine, an error is not."""
    found = Gpu().facts()
    assert found is None or found.memory_total_mb > 0

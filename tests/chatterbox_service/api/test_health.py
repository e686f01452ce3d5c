"""It answers at once: while it loads, while it speaks, and after a load that failed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx

from tests.chatterbox_service.scripted import ScriptedEngine
from tests.chatterbox_service.served import reached, served


def test_while_it_loads(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.loading.clear()
    with served(tmp_path, engine) as site, site.client() as client:
        health = client.get("/health").json()
        assert (health["status"], health["model_loaded"]) == ("initialising", False)
        assert not any(language["ready"] for language in health["languages"].values())
        answer = client.post("/api/tts/generate", json={"text": "Hi", "language": "en"})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        engine.loading.set()
        reached(lambda: client.get("/health").json()["status"] == "healthy")


def test_once_it_is_there(tmp_path: Path) -> None:
    with served(tmp_path, ScriptedEngine()) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        health = client.get("/health").json()
        assert health["model_loaded"] is True
        assert (health["device"], health["vram_used_gb"]) == ("cpu", 0.0)
        assert health["languages"]["en"] == {"ready": True, "lacks": ""}
        assert health["languages"]["ru"]["ready"] is False
        assert "stresser" in health["languages"]["ru"]["lacks"]
        assert health["error"] is None


def test_after_a_load_that_failed(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.load_fault = "There are no weights."
    with served(tmp_path, engine) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "error")
        answer = client.get("/health")
        assert answer.status_code == 200
        assert answer.json()["error"] == "There are no weights."
        assert answer.json()["model_loaded"] is False


def test_while_it_speaks(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    with served(tmp_path, engine) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        engine.gate.clear()
        asked = {"text": "long", "language": "en"}
        thread = threading.Thread(
            target=lambda: httpx.post(f"{site.url}/api/tts/generate", json=asked, timeout=30)
        )
        thread.start()
        reached(engine.begun.is_set)
        began = time.monotonic()
        health = client.get("/health").json()
        assert time.monotonic() - began < 0.5
        assert (health["status"], health["queue"]["requests"]) == ("healthy", 1)
        engine.gate.set()
        thread.join(10)


def test_metrics_count_what_was_done(tmp_path: Path) -> None:
    with served(tmp_path, ScriptedEngine()) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        for text in ("one", "a fault"):
            client.post("/api/tts/generate", json={"text": text, "language": "en"})
        read = dict(
            line.rsplit(" ", 1)
            for line in client.get("/metrics").text.splitlines()
            if not line.startswith("#")
        )
        assert float(read["tts_up"]) == 1
        assert float(read["tts_lines_total"]) == 2
        assert float(read["tts_sound_seconds_total"]) > 0
        assert float(read["tts_requests"]) == 0

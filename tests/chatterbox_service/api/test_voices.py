"""References over real HTTP: taken once, named by their hash; nothing of a refused one is left."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import numpy as np
import pytest
import soundfile

from tests.chatterbox_service.scripted import ScriptedEngine
from tests.chatterbox_service.served import Served, reached, served

RATE = 22_050


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some seconds of it, as a WAV file."""
    file = tmp_path_factory.mktemp("speech") / "speech.wav"
    text = "This is what the voice sounds like. It goes on for some seconds, and says nothing else."
    subprocess.run(["espeak-ng", "-v", "en", "-w", str(file), text], check=True)
    return file.read_bytes()


def wav(samples: object, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def register(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/api/voices", files={"reference_audio": ("voice.wav", content)})


def left_over(site: Served) -> list[str]:
    """Files that are no reference that was taken."""
    return [file.name for file in site.service.store.folder.iterdir() if file.suffix != ".wav"]


def test_a_reference_is_taken_once_and_named_by_its_content(
    site: Served, client: httpx.Client, speech: bytes
) -> None:
    first, second = register(client, speech), register(client, speech)
    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert len(first.json()["voice"]) == 64
    assert 2 < first.json()["speech_seconds"] <= first.json()["duration_seconds"]
    assert len(list(site.service.store.folder.glob("*.wav"))) == 1
    assert left_over(site) == []


def test_one_reference_for_a_thousand_lines_is_prepared_once(
    client: httpx.Client, engine: ScriptedEngine, speech: bytes
) -> None:
    key = register(client, speech).json()["voice"]
    some = [{"id": str(n), "text": f"line {n}"} for n in range(1000)]
    asked = {"language": "en", "voice": key, "lines": some}
    answer = client.post("/api/tts/batch", json=asked)
    spoken = [json.loads(line) for line in answer.text.splitlines()]
    assert spoken[-1] == {"status": "end", "spoken": 1000, "failed": 0}
    assert spoken[0]["metadata"]["voice_cloned"] is True
    assert engine.prepared == [(key, 0.5)]
    assert "tts_voices_prepared_total 1.0" in client.get("/metrics").text


def test_another_exaggeration_is_another_preparation(
    client: httpx.Client, engine: ScriptedEngine, speech: bytes
) -> None:
    key = register(client, speech).json()["voice"]
    for exaggeration in (0.5, 0.9, 0.5):
        asked = {"text": "Hi", "language": "en", "voice": key, "exaggeration": exaggeration}
        assert client.post("/api/tts/generate", json=asked).status_code == 200
    assert engine.prepared == [(key, 0.5), (key, 0.9)]


def test_a_recording_may_come_with_its_text(
    site: Served, client: httpx.Client, engine: ScriptedEngine, speech: bytes
) -> None:
    answer = client.post(
        "/api/tts/generate-file",
        data={"text": "Hi", "language": "en"},
        files={"reference_audio": ("voice.wav", speech)},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-tts-voice-cloned"] == "true"
    assert len(engine.prepared) == 1
    assert left_over(site) == []


def silence(seconds: float) -> bytes:
    return wav(np.zeros(int(seconds * RATE)))


def tone(seconds: float) -> bytes:
    return wav(0.5 * np.sin(np.arange(int(seconds * RATE)) * 0.05))


def clipped(speech: bytes) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(speech))
    return wav(np.clip(samples * 40, -1, 1), rate)


def brief(speech: bytes) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(speech))
    return wav(samples[: rate // 10], rate)


def test_what_will_not_do_is_refused_in_one_sentence_and_leaves_nothing(
    site: Served, client: httpx.Client, speech: bytes
) -> None:
    long = io.BytesIO()
    soundfile.write(long, np.zeros(2 * 3600 * 8000), 8000, format="FLAC")
    for content in (
        b"",
        b"not audio at all",
        brief(speech),
        silence(5),
        tone(5),
        clipped(speech),
        speech[:40],
        long.getvalue(),
    ):
        answer = register(client, content)
        assert (answer.status_code, answer.json()["code"]) == (422, "reference_invalid")
        assert answer.json()["error"].endswith(".")
    assert list(site.service.store.folder.iterdir()) == []


def test_one_of_five_hundred_megabytes_is_not_taken_in(tmp_path: Path) -> None:
    """It is refused by what it says of itself, before any of it is read."""
    with (
        served(tmp_path, ScriptedEngine(), most_body_bytes=1_000_000) as site,
        site.client() as client,
    ):

        def chunks() -> Iterator[bytes]:
            for _ in range(500):
                yield b"\0" * 1_000_000

        headers = {
            "Content-Type": "multipart/form-data; boundary=x",
            "Content-Length": "500000000",
        }
        try:
            answer = client.post("/api/voices", content=chunks(), headers=headers)
            assert answer.status_code == 413
        except httpx.WriteError:
            pass  # it was told while it still sent
        assert list(site.service.store.folder.iterdir()) == []


def test_a_voice_that_is_not_known_any_more_is_told_apart(client: httpx.Client) -> None:
    asked = {"text": "Hi", "language": "en", "voice": "a" * 64}
    answer = client.post("/api/tts/generate", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (404, "voice_unknown")
    assert "again" in answer.json()["error"]


@pytest.mark.parametrize("data", [{}, {"audio_prompt_url": "http://a/b", "both": "1"}])
def test_neither_or_too_much_is_refused(client: httpx.Client, data: dict[str, str]) -> None:
    answer = client.post("/api/voices", data=data, files={"x": b""} if not data else None)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.fixture
def host(speech: bytes) -> Iterator[tuple[str, list[str]]]:
    """A media server on the loopback, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(speech)))
            self.end_headers()
            self.wfile.write(speech)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_reference_is_fetched_only_from_hosts_that_are_listed(
    tmp_path: Path, engine: ScriptedEngine, host: tuple[str, list[str]]
) -> None:
    where, asked_for = host
    url = f"http://{where}/voice.wav?signature=secret"
    asked = {"text": "Hi", "language": "en", "audio_prompt_url": url}
    with served(tmp_path / "no", ScriptedEngine()) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        answer = client.post("/api/tts/generate", json=asked)
        assert (answer.status_code, answer.json()["code"]) == (422, "reference_not_allowed")
        assert "secret" not in answer.text
    assert asked_for == []
    listed = (f"private:{where}",)
    with (
        served(tmp_path / "yes", engine, reference_hosts=listed) as site,
        site.client() as client,
    ):
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        assert client.post("/api/tts/generate", json=asked).status_code == 200
        some = [{"id": str(n), "text": f"line {n}"} for n in range(20)]
        batch = {"language": "en", "audio_prompt_url": url, "lines": some}
        answer = client.post("/api/tts/batch", json=batch)
        assert json.loads(answer.text.splitlines()[-1])["spoken"] == 20
        assert left_over(site) == []
    assert len(asked_for) == 2, "once for the text, once for all lines of the batch"
    assert len(engine.prepared) == 1

"""One text over real HTTP: its sound, its scores, and what is refused."""

from __future__ import annotations

import base64
import io
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.chatterbox_service.scripted import RATE, ScriptedEngine, ScriptedRecogniser
from tests.chatterbox_service.served import Served, reached, served


def sound(wav: bytes) -> tuple[np.ndarray[Any, Any], int]:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def test_the_users_own_request_is_answered_as_agreed(client: httpx.Client) -> None:
    asked = {"text": "Hello there.", "language": "en", "exaggeration": 0.5, "cfg_weight": 0.4}
    answer = client.post("/api/tts/generate", json=asked)
    assert answer.status_code == 200
    said = answer.json()
    samples, rate = sound(base64.b64decode(said["audio_base64"]))
    assert rate == said["sample_rate"] == RATE
    assert said["duration_seconds"] == said["audio_duration_seconds"]
    assert said["duration_seconds"] == pytest.approx(len(samples) / rate, abs=0.001)
    assert np.abs(samples).max() > 10_000
    assert (said["status"], said["best_score"]) == ("unchecked", None)
    assert said["metadata"]["candidates_generated"] == 1
    assert said["metadata"]["all_scores"] == []


def test_the_file_is_the_same_sound(client: httpx.Client) -> None:
    form = {"text": "Hello there.", "language": "en", "seed": "7", "cfg_weight": "0.4"}
    asked = {"text": "Hello there.", "language": "en", "seed": 7, "cfg_weight": 0.4}
    file = client.post(
        "/api/tts/generate-file", files={name: (None, v) for name, v in form.items()}
    )
    said = client.post("/api/tts/generate", json=asked).json()
    assert file.headers["content-type"] == "audio/wav"
    assert file.content == base64.b64decode(said["audio_base64"])
    assert file.headers["x-tts-status"] == "unchecked"
    assert float(file.headers["x-tts-duration-seconds"]) == said["duration_seconds"]
    assert "x-tts-best-score" not in file.headers
    assert file.headers["x-tts-seed"] == "7"


def test_the_seed_decides_and_is_told(client: httpx.Client) -> None:
    asked = {"text": "Hello there.", "language": "en"}
    first = client.post("/api/tts/generate", json=asked).json()
    seed = first["metadata"]["seed"]
    again = client.post("/api/tts/generate", json={**asked, "seed": seed}).json()
    other = client.post("/api/tts/generate", json={**asked, "seed": seed ^ 1}).json()
    assert again["audio_base64"] == first["audio_base64"]
    assert other["audio_base64"] != first["audio_base64"]


def checked(tmp_path: Path, *hears: str, **wishes: object) -> tuple[dict[str, Any], ScriptedEngine]:
    engine = ScriptedEngine()
    with (
        served(tmp_path, engine, ScriptedRecogniser(*hears)) as site,
        site.client() as client,
    ):
        reached(lambda: site.service.ear is not None and site.service.ear.loaded)
        asked = {"text": "good morning everybody", "language_id": "en", "seed": 1, **wishes}
        answer = client.post("/api/tts/generate", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json(), engine


def test_the_best_of_several_takes_is_answered(tmp_path: Path) -> None:
    said, engine = checked(
        tmp_path, "good evening everyone", "Good morning, everybody!", "morning", n_candidates=3
    )
    assert (said["status"], said["best_score"]) == ("success", 100)
    metadata = said["metadata"]
    assert (metadata["candidates_generated"], metadata["candidates_passed"]) == (3, 1)
    assert len(metadata["all_scores"]) == 3
    assert max(metadata["all_scores"]) == 100
    assert metadata["retries_used"] == 0
    assert sum(map(len, engine.rounds)) == 3


def test_what_never_passes_is_tried_again_and_said_to_be_below(tmp_path: Path) -> None:
    said, engine = checked(
        tmp_path, "something else entirely", n_candidates=2, max_retries=2, whisper_threshold=85
    )
    assert said["status"] == "below_threshold"
    assert 0 <= said["best_score"] < 85
    assert said["metadata"]["retries_used"] == 2
    assert said["metadata"]["candidates_generated"] == 6
    assert said["metadata"]["candidates_passed"] == 0
    assert sum(map(len, engine.rounds)) == 6


def test_a_retry_stops_as_soon_as_one_has_passed(tmp_path: Path) -> None:
    said, _ = checked(tmp_path, "nonsense", "good morning everybody", n_candidates=1)
    assert said["metadata"]["retries_used"] == 1
    assert said["best_score"] == 100


def test_without_a_recogniser_nothing_is_invented(client: httpx.Client) -> None:
    asked = {"text": "Hello there.", "language": "en", "n_candidates": 3, "whisper_threshold": 85}
    said = client.post("/api/tts/generate", json=asked).json()
    assert (said["status"], said["best_score"]) == ("unchecked", None)
    assert said["metadata"]["all_scores"] == []
    assert said["metadata"]["candidates_generated"] == 1, "there is nothing to choose by"


def test_a_recogniser_that_cannot_be_loaded_is_said_and_not_passed_over(tmp_path: Path) -> None:
    recogniser = ScriptedRecogniser("x")
    recogniser.fault = "There is no model in that folder."
    with served(tmp_path, ScriptedEngine(), recogniser) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["error"] is not None)
        health = client.get("/health").json()
        assert (health["status"], health["error"]) == ("error", "There is no model in that folder.")
        asked = {"text": "Hello there.", "language": "en"}
        assert client.post("/api/tts/generate", json=asked).status_code == 200
        answer = client.post("/api/tts/generate", json={**asked, "n_candidates": 2})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


REFUSED = [
    ({"text": ""}, 422, "empty_text"),
    ({"text": "  \n\t "}, 422, "empty_text"),
    ({"text": "a" * 100_000}, 422, "text_too_long"),
    ({"text": "😀🎉👍🏽"}, 422, "nothing_to_say"),
    ({"text": "…!?"}, 422, "nothing_to_say"),
    ({"text": "one\x00two"}, 422, "invalid"),
    ({"text": "<speak>Hello<break time='1s'/></speak>"}, 422, "markup"),
    ({"text": "Hi", "language": "xx"}, 422, "language_unknown"),
    ({"text": "Привет", "language": "ru"}, 422, "language_unready"),
    ({"text": "Hi", "language": "en", "language_id": "es"}, 422, "languages_differ"),
    ({"text": "Hi", "language": None}, 422, "invalid"),
    ({"text": "Hi", "exaggeration": 7}, 422, "invalid"),
    ({"text": "Hi", "exaggeration": "0.5"}, 422, "invalid"),
    ({"text": "Hi", "n_candidates": 0}, 422, "invalid"),
    ({"text": "Hi", "speed": 2}, 422, "invalid"),
    ({"text": "Hi", "voice": "../../etc/passwd"}, 422, "invalid"),
    ({"text": "Hi", "voice": "0" * 64}, 404, "voice_unknown"),
    ({"text": "Hi", "voice": "0" * 64, "audio_prompt_url": "http://a/b"}, 422, "invalid"),
    ({"text": "Hi", "audio_prompt_url": "http://127.0.0.1:1/x.wav"}, 422, "reference_not_allowed"),
]


@pytest.mark.parametrize(("asked", "status", "code"), REFUSED)
def test_what_cannot_be_said_is_refused_in_one_sentence(
    client: httpx.Client, engine: ScriptedEngine, asked: dict[str, object], status: int, code: str
) -> None:
    answer = client.post("/api/tts/generate", json={"language": "en", **asked})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    sentence = answer.json()["error"]
    assert sentence[0].isalpha()
    assert sentence.rstrip().endswith(".")
    assert len(sentence) < 400
    assert engine.rounds == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"text": NaN}'])
def test_a_body_that_is_not_what_it_should_be(client: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/tts/generate", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"code", "error"}


def test_a_line_that_cannot_be_spoken_says_so(client: httpx.Client) -> None:
    answer = client.post("/api/tts/generate", json={"text": "a fault", "language": "en"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_spoken")
    answer = client.post("/api/tts/generate", json={"text": "silence", "language": "en"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_spoken")


def test_an_engine_that_fails_is_a_failure_of_ours(client: httpx.Client) -> None:
    answer = client.post("/api/tts/generate", json={"text": "crash", "language": "en"})
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")


def test_a_long_text_is_said_in_pieces_with_pauses(
    client: httpx.Client, engine: ScriptedEngine
) -> None:
    sentence = "This is a sentence of the long text that is said. "
    asked = {"text": sentence * 20, "language": "en"}
    said = client.post("/api/tts/generate", json=asked).json()
    texts = [text for spoken in engine.rounds for text in spoken]
    assert len(texts) > 3
    assert all(len(text) <= 280 for text in texts)
    assert said["metadata"]["candidates_generated"] == len(texts)
    spoken_seconds = sum(len(text) for text in texts) * 0.01
    assert spoken_seconds < said["duration_seconds"] < spoken_seconds + len(texts)


def test_whoever_hangs_up_frees_its_place(
    site: Served, client: httpx.Client, engine: ScriptedEngine
) -> None:
    engine.gate.clear()
    asked = {"text": "never heard", "language": "en"}
    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/tts/generate", json=asked, timeout=0.3)
    reached(lambda: engine.stopped == 1)
    reached(lambda: client.get("/health").json()["queue"]["requests"] == 0)
    assert site.service.admission.gone == 1


def test_beyond_the_queues_bound_one_is_told_to_come_again(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    engine.gate.clear()
    asked = {"text": "wait", "language": "en"}
    with served(tmp_path, engine, queue=2) as site, site.client() as client:
        threads = [
            threading.Thread(target=lambda: httpx.post(f"{site.url}/api/tts/generate", json=asked))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        reached(lambda: client.get("/health").json()["queue"]["requests"] == 2)
        answer = client.post("/api/tts/generate", json=asked)
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        engine.gate.set()
        for thread in threads:
            thread.join(10)
        assert client.post("/api/tts/generate", json=asked).status_code == 200


def test_what_takes_too_long_is_given_up(tmp_path: Path, engine: ScriptedEngine) -> None:
    engine.gate.clear()
    with served(tmp_path, engine, deadline_seconds=0.2) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        answer = client.post("/api/tts/generate", json={"text": "slow", "language": "en"})
        assert (answer.status_code, answer.json()["code"]) == (503, "too_late")
        reached(lambda: engine.stopped == 1)


def test_a_token_is_asked_for_where_one_is_set(tmp_path: Path, engine: ScriptedEngine) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough\n")
    asked = {"text": "Hello", "language": "en"}
    with served(tmp_path, engine, token_file=token) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eA=="}):
            answer = client.post("/api/tts/generate", json=asked, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorised")
        headers = {"Authorization": "Bearer a-token-that-is-long-enough"}
        assert client.post("/api/tts/generate", json=asked, headers=headers).status_code == 200


def test_a_body_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 65536
            yield b" " * 65536

    with (
        served(tmp_path, ScriptedEngine(), most_body_bytes=100_000) as site,
        site.client() as client,
    ):
        try:
            answer = client.post(
                "/api/tts/generate",
                content=endless(),
                headers={"Content-Type": "application/json"},
            )
            assert answer.json()["code"] == "too_large"
        except httpx.WriteError:
            pass  # it was told while it still sent
        assert sent < 100_000_000
        declared = client.post("/api/tts/generate", content=b" " * 200_000)
        assert (declared.status_code, declared.json()["code"]) == (413, "too_large")

"""Many lines over real HTTP: as soon as they are ready, each for itself, while they are wanted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chatterbox_service.scripted import ScriptedEngine
from tests.chatterbox_service.served import Served, reached, served


def lines(*texts: str, **wishes: object) -> dict[str, object]:
    some = [{"id": f"u{n}", "text": text} for n, text in enumerate(texts)]
    return {"language": "en", "lines": some, **wishes}


def answers(client: httpx.Client, asked: dict[str, object]) -> list[dict[str, Any]]:
    answer = client.post("/api/tts/batch", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_every_line_is_answered_once_and_then_the_end(client: httpx.Client) -> None:
    *spoken, end = answers(client, lines(*(f"line number {n}" for n in range(50))))
    assert {one["id"] for one in spoken} == {f"u{n}" for n in range(50)}
    assert all(one["status"] == "unchecked" and one["audio_base64"] for one in spoken)
    assert end == {"status": "end", "spoken": 50, "failed": 0}


def test_one_failed_line_fails_alone(client: httpx.Client) -> None:
    *spoken, end = answers(client, lines("fine", "a fault", "", "also fine", "😀"))
    by_id = {one["id"]: one for one in spoken}
    assert by_id["u0"]["audio_base64"]
    assert by_id["u3"]["audio_base64"]
    assert by_id["u1"] == {
        "id": "u1",
        "status": "error",
        "code": "not_spoken",
        "error": "It could not be said.",
    }
    assert by_id["u2"]["code"] == "empty_text"
    assert by_id["u4"]["code"] == "nothing_to_say"
    assert end == {"status": "end", "spoken": 2, "failed": 3}


def test_a_line_may_differ_from_the_rest(client: httpx.Client) -> None:
    asked = lines("one", "two", "three", seed=5)
    some: Any = asked["lines"]
    some[1]["language_id"] = "es"
    some[2]["language"] = "ru"
    *spoken, _ = answers(client, asked)
    by_id = {one["id"]: one for one in spoken}
    assert by_id["u0"]["metadata"]["seed"] == 5
    assert by_id["u1"]["status"] == "unchecked", "its own language is not the batch's other name"
    assert by_id["u2"]["code"] == "language_unready"


def test_lines_of_like_length_are_spoken_together(
    client: httpx.Client, engine: ScriptedEngine
) -> None:
    texts = [("x" * (5 + 7 * (n * 13 % 30))) for n in range(60)]
    answers(client, lines(*texts))
    spreads = [max(map(len, spoken)) - min(map(len, spoken)) for spoken in engine.rounds]
    assert len(engine.rounds) <= 20
    assert sum(spreads) / len(spreads) < 20


def test_no_batch_takes_more_memory_than_it_may(tmp_path: Path) -> None:
    engine = ScriptedEngine(most_together=64, budget=400)
    with served(tmp_path, engine) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        answers(client, lines(*("y" * (n + 1) for n in range(100))))
        assert all(
            len(spoken) * max(map(len, spoken)) <= 400 or len(spoken) == 1
            for spoken in engine.rounds
        )


def test_the_first_answer_comes_before_the_last_line_is_spoken(
    client: httpx.Client, engine: ScriptedEngine
) -> None:
    asked = lines(*("z" * 40 for _ in range(200)))
    with client.stream("POST", "/api/tts/batch", json=asked) as answer:
        received = answer.iter_lines()
        assert json.loads(next(received))["audio_base64"]
        assert sum(map(len, engine.rounds)) < 200


def test_whoever_is_cut_off_half_way_has_what_was_ready_and_frees_the_rest(
    site: Served, client: httpx.Client, engine: ScriptedEngine
) -> None:
    asked = lines(*(f"line number {n} of a thousand" for n in range(1000)))
    got = 0
    with client.stream("POST", "/api/tts/batch", json=asked) as answer:
        for line in answer.iter_lines():
            assert json.loads(line)["audio_base64"]
            got += 1
            if got == 500:
                break
    left_at = time.monotonic()
    reached(lambda: site.service.admission.inside == 0 and site.service.desk.lines_waiting == 0)
    said = client.post("/api/tts/generate", json={"text": "next", "language": "en"})
    assert said.status_code == 200
    assert time.monotonic() - left_at < 1.0
    assert sum(map(len, engine.rounds)) < 800, "the rest was not spoken for nobody"


def test_a_client_that_does_not_read_is_not_spoken_for_without_end(
    site: Served, client: httpx.Client, engine: ScriptedEngine
) -> None:
    asked = lines(*("w" * 250 for _ in range(1000)))
    with client.stream("POST", "/api/tts/batch", json=asked):
        before = -1
        while (now := sum(map(len, engine.rounds))) != before:
            before = now
            time.sleep(0.2)
        assert now < 900, "all was spoken although nobody has read any of it"
    reached(lambda: site.service.admission.inside == 0)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"language": "en", "lines": []}, 422, "invalid"),
        ({"language": "en"}, 422, "invalid"),
        ({"language": "en", "lines": [{"id": "a"}]}, 422, "invalid"),
        ({"language": "en", "lines": [{"id": "a", "text": "x"}] * 2}, 422, "invalid"),
        ({"language": "en", "lines": [{"id": "", "text": "x"}]}, 422, "invalid"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_as_a_whole(
    client: httpx.Client, asked: dict[str, object], status: int, code: str
) -> None:
    answer = client.post("/api/tts/batch", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_more_lines_than_may_be(tmp_path: Path) -> None:
    with (
        served(tmp_path, ScriptedEngine(), most_lines=10) as site,
        site.client() as client,
    ):
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        answer = client.post("/api/tts/batch", json=lines(*["x"] * 11))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_what_is_not_done_in_time_is_cut_short_without_an_end(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    with served(tmp_path, engine, deadline_seconds=0.5) as site, site.client() as client:
        reached(lambda: client.get("/health").json()["status"] == "healthy")
        engine.gate.clear()
        asked = lines("one", "two")
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/api/tts/batch", json=asked) as answer,
        ):
            assert answer.status_code == 200
            list(answer.iter_lines())
        reached(lambda: engine.stopped == 1)

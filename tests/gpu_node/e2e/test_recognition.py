"""A person's reading, recognised, translated and spoken: the lesson is all that is given."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_node.demo import music, reading
from tests.gpu_node.e2e import checks, films, measures
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import Desk
from tests.gpu_node.e2e.films import AAC, X264
from tests.gpu_node.e2e.subtitles import Line, srt

STARTS = {"0880": 1.5, "0930": 7.0}
SECONDS = 12.0


@pytest.fixture(scope="session")
def reading_film(films: Path) -> Path:
    """Two sentences over the faintest of noise, with a long pause between them."""
    return make_reading(films / "reading.mp4")


def make_reading(target: Path) -> Path:
    track = np.random.default_rng(1).normal(0, 10 ** (-65 / 20), round(SECONDS * music.RATE))
    for name, start in STARTS.items():
        clip = reading.clip(name)
        first = round((start - clip.lead) * music.RATE)
        track[first : first + len(clip.sound)] += clip.sound
    raw = target.with_suffix(".f64")
    raw.write_bytes(track.astype("<f8").tobytes())
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.picture(SECONDS)),
        *("-f", "f64le", "-ar", str(music.RATE), "-ac", "1", "-i", raw),
        *shlex.split(f"{X264} {AAC}"),
        target,
    )
    raw.unlink()
    return target


def report_of(desk: Desk) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((desk.out / "report.json").read_text(encoding="utf-8"))
    return told


def test_a_reading_is_dubbed_line_by_line(desk: Desk, reading_film: Path) -> None:
    lesson = desk.take(reading_film)
    desk.done(lesson, "--report", desk.out / "report.json")
    report = report_of(desk)
    assert report["engines"]["transcriber"] == "pocketsphinx"
    assert report["engines"]["translator"] == "apertium"
    lines = [Line(one["start"], one["end"], one["target"]) for one in report["utterances"]]
    assert [line.start for line in lines] == pytest.approx(list(STARTS.values()), abs=0.1)
    assert shared_words(report["utterances"][0]["source"], reading.TEXTS["0880"]) >= 4
    checks.require_same_picture(desk.output, lesson)
    checks.require_tracks(desk.output)
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output, lines)
    shown = [" ".join(line.text.split()) for line in measures.shown_lines(desk.output)]
    assert shown == [line.text for line in lines]


def shared_words(one: str, other: str) -> int:
    return len(set(one.lower().strip(".").split()) & set(other.lower().strip(",.").split()))


def test_a_reading_with_a_given_translation(desk: Desk, reading_film: Path) -> None:
    """Recognised words are put to the partner's lines, which are spoken where they stand."""
    target = [Line(1.5, 4.0, "Todos miran el río."), Line(7.0, 9.5, "Paco canta en casa.")]
    options = ("--target-subtitles", desk.put("es.srt", srt(target)))
    desk.done(desk.take(reading_film), *options, "--report", desk.out / "report.json")
    checks.require_lines_on_time(desk.output, target)
    for told, name in zip(report_of(desk)["utterances"], STARTS, strict=True):
        assert shared_words(told["source"], reading.TEXTS[name]) >= 3


def test_given_subtitles_are_translated(given: Given) -> None:
    desk = given.desk
    options = ("--subtitles", given.subtitles, "--report", desk.out / "report.json")
    desk.done(given.lesson, *options)
    assert report_of(desk)["engines"]["translator"] == "apertium"
    spanish = [line.text for line in measures.shown_lines(desk.output)]
    assert "río" in spanish[0]
    assert "canta" in spanish[1]
    checks.require_tracks(desk.output)
    checks.require_sound(desk.output, given.lesson)
    checks.require_lines_on_time(desk.output)

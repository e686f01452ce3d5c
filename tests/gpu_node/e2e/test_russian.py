"""Russian and English, in both directions, with the partner's own subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gpu_node.e2e import checks, films, measures
from tests.gpu_node.e2e.desk import Desk
from tests.gpu_node.e2e.films import Film
from tests.gpu_node.e2e.subtitles import Line, srt

READING = Path("/usr/share/pocketsphinx/test/data/librivox")
SECONDS = 14.0
NBSP = "\N{NO-BREAK SPACE}"

RUSSIAN = (
    Line(1.0, 3.6, "Ещё ёжик пьёт чай."),
    Line(4.2, 7.0, "Тут 2 473 дома."),
    Line(7.8, 10.4, "Это 1-й подъезд."),
    Line(11.0, 13.6, "Осталось 50 % — «всё»!"),
)
ENGLISH = (
    Line(1.0, 3.6, "Poor hedgehog, more tea?"),
    Line(4.2, 7.0, "Towns have many houses."),
    Line(7.8, 10.4, "Take the first door."),
    Line(11.0, 13.6, "Precisely half is left!"),
)


@pytest.fixture
def lesson(desk: Desk) -> Path:
    """Somebody reads while the hum goes on. What is read does not matter here."""
    path = desk.lessons / "урок.mp4"
    reading = sorted(READING.glob("*.wav"))
    assert reading, "install pocketsphinx-testdata"
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.picture(SECONDS), "-f", "lavfi", "-i", films.sound(SECONDS)),
        *("-i", reading[0], "-filter_complex"),
        "[2]aresample=48000,volume=-15dB,lowpass=f=300,adelay=1000,apad[r];"
        f"[1][r]amix=inputs=2:normalize=0,atrim=0:{SECONDS}[a]",
        *("-map", "0:v", "-map", "[a]", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
        path,
    )
    return path


def dub(
    desk: Desk, lesson: Path, source: Sequence[Line], target: Sequence[Line], pair: tuple[str, str]
) -> None:
    desk.done(
        lesson,
        *("--subtitles", desk.put("source.srt", srt(source))),
        *("--target-subtitles", desk.put("target.srt", srt(target))),
        source=pair[0],
        target=pair[1],
    )


def test_russian_to_english(desk: Desk, lesson: Path) -> None:
    dub(desk, lesson, RUSSIAN, ENGLISH, ("ru", "en"))
    checks.require_tracks(desk.output, ("eng", "rus"))
    checks.require_subtitles(desk.output, ENGLISH, RUSSIAN, ("en", "ru"))
    checks.require_same_picture(desk.output, lesson)
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output, ENGLISH)


def test_english_to_russian(desk: Desk, lesson: Path) -> None:
    dub(desk, lesson, ENGLISH, RUSSIAN, ("en", "ru"))
    checks.require_tracks(desk.output, ("rus", "eng"))
    checks.require_subtitles(desk.output, RUSSIAN, ENGLISH, ("ru", "en"))
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output, RUSSIAN)


@pytest.mark.parametrize("pair", [("ru", "en"), ("en", "ru")])
def test_no_break_spaces_stay_where_they_were_set(
    desk: Desk, lesson: Path, pair: tuple[str, str]
) -> None:
    """Typographers keep «2 473» and «50 %» on one line with them."""
    russian = [
        line._replace(text=line.text.replace("2 4", f"2{NBSP}4").replace("0 %", f"0{NBSP}%"))
        for line in RUSSIAN
    ]
    source, target = (russian, ENGLISH) if pair[0] == "ru" else (ENGLISH, russian)
    dub(desk, lesson, source, target, pair)
    checks.require_subtitles(desk.output, target, source, (pair[1], pair[0]))


def test_russian_without_the_lessons_own_subtitles(desk: Desk) -> None:
    """Nobody knows what is said, only how it is to be said in English."""
    path = Film(seconds=SECONDS).make(desk.lessons / "урок.mp4")
    target = desk.put("target.srt", srt(ENGLISH))
    desk.done(path, "--target-subtitles", target, source="ru", target="en")
    tracks = measures.streams(desk.output, "audio")
    assert [one["tags"]["language"] for one in tracks] == ["eng", "rus"]
    texts = measures.streams(desk.output, "subtitle")
    assert [one["tags"]["language"] for one in texts] == ["eng"]
    assert {one.name for one in desk.out.iterdir()} == {"dub.mp4", "dub.en.vtt"}
    checks.require_lines_on_time(desk.output, ENGLISH)
    checks.require_sound(desk.output, path)


def test_region_of_a_language_is_kept_where_files_can_say_it(desk: Desk) -> None:
    path = Film(seconds=SECONDS).make(desk.lessons / "lesson.mp4")
    options = (
        *("--subtitles", desk.put("source.srt", srt(RUSSIAN))),
        *("--target-subtitles", desk.put("target.srt", srt(ENGLISH))),
    )
    desk.done(path, *options, source="rus", target="en_us")
    beside = (desk.out / "dub.en-US.vtt").read_text(encoding="utf-8")
    assert "Language: en-US" in beside
    checks.require_tracks(desk.output, ("eng", "rus"))

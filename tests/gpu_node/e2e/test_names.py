"""Names that trip up programs: all of them simply work, on every file there is."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.gpu_node.e2e import checks, films, measures
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import listing, require_refusal

NAMES = {
    "quotes_and_newline": """it's "quoted"\nand `echo`""",
    "emoji": "урок 🎓👩‍🏫 Й и\N{COMBINING BREVE}",
    "not_utf8": os.fsdecode(b"caf\xe9 \xff\xfe"),
    "shell": "  $(touch hacked); rm -rf *; & | > x ",
    "option": "-i",
    "percent": "100%d %s %03d [a-z]*?{1,2}",
    "protocol": "concat:a|b,c;d[e]=f:g\\h",
    "dots": "..lesson..",
    "words_of_an_error": "Truncated cone, partial file, No space left on device",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_may_be_called_anything(given: Given, name: str) -> None:
    desk, called = given.desk, NAMES[name]
    lesson = given.lesson.rename(desk.lessons / f"{called}.mp4")
    subtitles = given.subtitles.rename(desk.lessons / f"{called}.srt")
    translation = given.target_subtitles.rename(desk.lessons / f"{called}.es.srt")
    output, report = desk.out / f"{called}.mp4", desk.out / f"{called}.json"
    given_files = listing(desk.lessons)
    outcome = desk.done(
        lesson,
        *("--subtitles", subtitles, "--target-subtitles", translation, "--report", report),
        output=output,
    )
    assert outcome.stdout == str(output).encode("utf-8", "replace").decode() + "\n"
    written = {path.name for path in desk.out.iterdir()}
    assert written == {f"{called}{suffix}" for suffix in (".mp4", ".es.vtt", ".en.vtt", ".json")}
    assert listing(desk.lessons) == given_files
    shutil.copyfile(output, desk.root / "copy.mp4")
    checks.require_tracks(desk.root / "copy.mp4")


def test_names_with_a_way_back_up(given: Given) -> None:
    desk = given.desk
    (desk.out / "deeper").mkdir()
    lesson = desk.out / ".." / "lessons" / given.lesson.name
    output = desk.out / "deeper" / ".." / "dub.mp4"
    desk.done(lesson, *given.options, output=output)
    assert {path.name for path in desk.out.iterdir()} == {
        *("deeper", "dub.mp4", "dub.es.vtt", "dub.en.vtt")
    }


def test_names_relative_to_where_one_is(given: Given) -> None:
    desk = given.desk
    names = [str(word).replace(f"{desk.root}/", "") for word in given.options]
    desk.done("lessons/lesson.mp4", *names, output="dub.mp4")
    assert measures.duration(desk.root / "dub.mp4") > films.SECONDS - 0.1


def test_upper_case_ending(given: Given) -> None:
    output = given.desk.out / "DUB.MP4"
    given.desk.done(given.lesson, *given.options, output=output)
    assert output.is_file()


@pytest.mark.parametrize("length", [230, 248, 251])
def test_a_name_as_long_as_can_be_works_or_is_refused(given: Given, length: int) -> None:
    desk = given.desk
    output = desk.out / ("n" * length + ".mp4")
    before = desk.listing()
    outcome = desk.dub(given.lesson, *given.options, output=output)
    if outcome.code == 0:
        assert len(list(desk.out.iterdir())) == 3
        return
    require_refusal(outcome, code=5, says="name")
    assert desk.listing() == before


def test_a_name_no_file_can_have_is_refused(given: Given) -> None:
    given.desk.refused("n" * 300 + ".mp4", code=3, says="name|cannot be read")


@pytest.mark.parametrize(
    "title", ["Truncated cones, a partial file", "No space left on device", "two\nlines"]
)
def test_what_a_lesson_is_called_inside_is_no_error(given: Given, title: str) -> None:
    desk = given.desk
    lesson = desk.lessons / "titled.mp4"
    films.ffmpeg("-i", given.lesson, "-c", "copy", "-metadata", f"title={title}", lesson)
    desk.done(lesson, *given.options)
    assert measures.probe(desk.output)["format"]["tags"]["title"] == title

"""Subtitles as partners really give them: read right, or refused with the place of the mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gpu_node.e2e import checks, measures
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, Line, srt, vtt

INPUT = 3
BLOCKERS = 4

GOOD = srt(SPANISH)
FIRST, SECOND = SPANISH

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "no subtitles"),
    "blank": ("\n\n \n", "no subtitles"),
    "header_only": ("WEBVTT\n", "no subtitles"),
    "only_music": ("1\n00:00:01,000 --> 00:00:02,000\n[música]\n", "nothing that is spoken"),
    "prose": ("Todos miran el río.\n\nPaco canta.\n", "no timing line"),
    "misspelt_time": (GOOD.replace("00:00:03,400", "00:0O:03,400"), "Cue 2.*cannot be read"),
    "half_a_time": (GOOD.replace(" --> 00:00:05,000", " -->"), "Cue 2.*cannot be read"),
    "text_without_times": (GOOD + "\nOtra línea.\n", "no timing line"),
    "times_among_text": (GOOD.replace("\n\n2\n", "\n2\n"), "stands among other text"),
    "overlapping": (srt([FIRST, Line(2.0, 4.0, "Paco.")]), "starts before cue 1"),
    "out_of_order": (srt([SECOND, FIRST]), "put them in order"),
    "backwards": (srt([Line(2.6, 1.0, "Todos.")]), "does not end after it starts"),
    "no_time_at_all": (srt([Line(1.0, 1.0, "Todos.")]), "does not end after it starts"),
    "two_at_once": (srt([FIRST, FIRST]), "starts before cue 1"),
    "after_the_lesson": (srt([FIRST, Line(60, 61, "Tarde.")]), "lesson ends at 00:00:06"),
    "latin_1": (GOOD.encode("latin-1"), "not text in UTF-8"),
    "windows_1251": ("1\n00:00:01,000 --> 00:00:02,000\nЁж\n".encode("cp1251"), "UTF-8"),
    "utf_16_without_a_mark": (GOOD.encode("utf-16-le"), "UTF-8"),
    "half_a_utf_16": (GOOD.encode("utf-16")[:-1], "UTF-8"),
    "nul": (GOOD.replace("Paco", "Pa\0co"), "UTF-8"),
    "random": (bytes(range(256)) * 40, "UTF-8"),
    "another_format": ("[Script Info]\nTitle: x\n\n[Events]\nDialogue: 0,0:00:01\n", "timing line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_translation_is_refused(given: Given, name: str) -> None:
    content, says = REFUSED[name]
    broken = given.desk.put("broken.srt", content)
    options = ("--target-subtitles", broken, "--asr", "none")
    given.desk.refused(given.lesson, *options, code=INPUT, says=says)


@pytest.mark.parametrize(
    "name", ["empty", "misspelt_time", "out_of_order", "latin_1", "only_music"]
)
def test_the_lessons_own_are_refused(given: Given, name: str) -> None:
    content, says = REFUSED[name]
    broken = given.desk.put("broken.srt", content)
    given.desk.refused(given.lesson, "--subtitles", broken, code=INPUT, says=says)


def test_a_lesson_given_as_subtitles(given: Given) -> None:
    options = ("--subtitles", given.lesson, "--target-subtitles", given.target_subtitles)
    given.desk.refused(given.lesson, *options, code=INPUT, says="--subtitles.*UTF-8")


def test_subtitles_that_are_a_folder_or_not_there(given: Given) -> None:
    for path in (given.desk.lessons, given.desk.lessons / "nowhere.srt"):
        options = ("--target-subtitles", path)
        given.desk.refused(
            given.lesson, *options, code=INPUT, says="no file for --target-subtitles"
        )


ACCEPTED: dict[str, bytes] = {
    "webvtt": vtt(SPANISH).encode(),
    "byte_order_mark": GOOD.encode("utf-8-sig"),
    "utf_16": GOOD.encode("utf-16"),
    "utf_16_big_endian": b"\xfe\xff" + GOOD.encode("utf-16-be"),
    "windows_line_ends": GOOD.replace("\n", "\r\n").encode(),
    "old_mac_line_ends": GOOD.replace("\n", "\r").encode(),
    "overlap_of_a_frame": srt([FIRST._replace(end=3.44), SECOND]).encode(),
    "markup_and_decomposed_letters_and_no_line_end": (
        GOOD.replace("Paco", "<i><font color='#fff'>Paco</font></i>")
        .replace("í", "i\N{COMBINING ACUTE ACCENT}")
        .rstrip("\n")
        .encode()
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(given: Given, name: str) -> None:
    translation = given.desk.put("odd.srt", ACCEPTED[name])
    options = ("--subtitles", given.subtitles, "--target-subtitles", translation)
    given.desk.done(given.lesson, *options)
    checks.require_subtitles(given.desk.output)
    checks.require_lines_on_time(given.desk.output)


def test_a_pair_of_lines_and_a_sign_survive_as_they_are(given: Given) -> None:
    """Line breaks that somebody set, and what looks like markup but is not."""
    target = [Line(1.0, 2.6, "Todos miran\nel río."), Line(3.4, 5.0, "2 < 3 & 4 > 1")]
    source = [Line(1.0, 2.6, "Everybody looks\nat the river."), Line(3.4, 5.0, "2 < 3 & 4 > 1")]
    options = (
        *("--subtitles", given.desk.put("two.srt", srt(source))),
        *("--target-subtitles", given.desk.put("dos.srt", srt(target))),
    )
    given.desk.done(given.lesson, *options)
    for track, lines in enumerate((target, source)):
        shown = measures.shown_lines(given.desk.output, track)
        assert [line.text for line in shown] == [line.text for line in lines]


def test_a_line_that_does_not_fit_stays_in_the_original_and_is_told(given: Given) -> None:
    desk = given.desk
    long = Line(1.0, 2.6, "Todos miran el río. " * 8)
    options = (
        *("--subtitles", given.subtitles, "--report", desk.out / "report.json"),
        *("--target-subtitles", desk.put("long.srt", srt([long, SPANISH[1]]))),
    )
    outcome = desk.dub(given.lesson, *options)
    assert outcome.code == 0
    (told,) = outcome.stderr.splitlines()
    assert told.startswith("dub: at 1.0 s the original is left: ")
    assert blocked(desk.out / "report.json") == ["does_not_fit", None]
    checks.require_lines_on_time(desk.output, [ENGLISH[1]])
    checks.require_sound(desk.output, given.lesson)
    assert desk.dub(given.lesson, *options, "--strict").code == BLOCKERS


def test_a_line_without_a_translation_is_told(given: Given) -> None:
    desk = given.desk
    options = (
        *("--subtitles", given.subtitles, "--report", desk.out / "report.json"),
        *("--target-subtitles", desk.put("half.srt", srt(SPANISH[:1]))),
    )
    outcome = desk.dub(given.lesson, *options, "--strict")
    assert outcome.code == BLOCKERS
    (told,) = outcome.stderr.splitlines()
    assert told.startswith("dub: at 3.4 s the original is left: ")
    assert blocked(desk.out / "report.json") == [None, "no_target_text"]


def blocked(report: Path) -> list[str | None]:
    return [
        line["blocker"] for line in json.loads(report.read_text(encoding="utf-8"))["utterances"]
    ]

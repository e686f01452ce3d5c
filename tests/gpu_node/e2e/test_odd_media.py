"""Lessons as cameras, phones and converters really write them: each gets a right dub."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.gpu_node.e2e import checks, films, measures
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import Desk
from tests.gpu_node.e2e.films import AAC, X264, Film
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, Line, srt

B_FRAMES = "-c:v libx264 -preset ultrafast -bf 3 -b_strategy 0 -g 30 -pix_fmt yuv420p"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 100k"
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=error -tag:v hvc1"

# MPEG-TS and AVI part H.264's units with start codes, MP4 with lengths. A filter that removes a
# kind of unit nobody uses writes both with start codes and leaves the units as they are.
UNITS = "filter_units=remove_types=31"


@dataclass(frozen=True)
class Case:
    """A lesson, and what is to be expected of its dub."""

    film: Film
    copied: bool = True
    """Whether MP4 can hold the original sound as it is."""
    bitstream: str = ""
    sound_bitstream: str = ""
    sound_late: float = 0.0


CASES = {
    "plain": Case(Film()),
    "variable_frame_rate": Case(
        Film(options="-vf \"select='not(mod(n,3))+between(t,2,4)'\" -fps_mode vfr")
    ),
    "film_frame_rate": Case(Film(rate="24000/1001")),
    "five_point_one": Case(Film(coding=f"{X264} -c:a aac -ac 6")),
    "five_point_one_ac3": Case(Film(coding=f"{X264} -c:a ac3 -ac 6")),
    "mono": Case(Film(coding=f"{X264} -c:a aac -ac 1")),
    "8_khz": Case(Film(coding=f"{X264} -c:a aac -ac 1 -ar 8000")),
    "mp3": Case(Film(coding=f"{X264} -c:a libmp3lame -ac 2")),
    "hevc": Case(Film(coding=f"{X265} {AAC}")),
    "b_frames": Case(Film(coding=f"{B_FRAMES} {AAC}")),
    "b_frames_without_edit_list": Case(
        Film(coding=f"{B_FRAMES} {AAC}", options="-use_editlist 0"), sound_late=0.2
    ),
    "negative_composition_offsets": Case(
        Film(coding=f"{B_FRAMES} {AAC}", options="-movflags +negative_cts_offsets")
    ),
    "trimmed_by_an_edit_list": Case(
        Film(coding=f"{B_FRAMES} {AAC}", copy_from="-ss 0.2"), sound_late=-0.2
    ),
    "fragmented": Case(Film(options="-movflags +frag_keyframe+empty_moov")),
    "rotated_phone_video": Case(Film(suffix=".mov", copy_with="-metadata:s:v:0 rotate=90")),
    "sound_starts_late": Case(Film(before_sound="-itsoffset 0.5"), sound_late=0.5),
    "picture_starts_late": Case(Film(before_picture="-itsoffset 0.5")),
    "sound_starts_late_in_matroska": Case(
        Film(suffix=".mkv", before_sound="-itsoffset 0.5"), sound_late=0.5
    ),
    "picture_starts_late_in_matroska": Case(Film(suffix=".mkv", before_picture="-itsoffset 0.5")),
    "matroska_with_b_frames": Case(Film(suffix=".mkv", coding=f"{B_FRAMES} {AAC}")),
    "matroska_flac": Case(Film(suffix=".mkv", coding=f"{X264} -c:a flac"), copied=False),
    "matroska_vorbis": Case(Film(suffix=".mkv", coding=f"{X264} -c:a libvorbis"), copied=False),
    "webm": Case(Film(suffix=".webm", coding=f"{VP9} -c:a libopus")),
    "pcm_in_quicktime": Case(
        Film(suffix=".mov", coding=f"{X264} -c:a pcm_s16le -ac 2"), copied=False
    ),
    "avi": Case(Film(suffix=".avi", coding="-c:v mpeg4 -c:a libmp3lame -ac 2")),
    "avi_with_h264": Case(
        Film(suffix=".avi", coding=f"{X264} -c:a libmp3lame -ac 2"), bitstream=UNITS
    ),
    "transport_stream": Case(
        Film(suffix=".ts"),
        bitstream=UNITS,
        sound_bitstream="aac_adtstoasc",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_dub_is_right(name: str, desk: Desk) -> None:
    case = CASES[name]
    lesson = case.film.make(desk.lessons / f"lesson{case.film.suffix}")
    desk.done(
        lesson,
        *("--subtitles", desk.put("lesson.srt", srt(ENGLISH))),
        *("--target-subtitles", desk.put("translation.srt", srt(SPANISH))),
    )
    checks.require_same_picture(desk.output, lesson, case.bitstream)
    checks.require_tracks(desk.output)
    checks.require_subtitles(desk.output)
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output)
    beeps = [at + case.sound_late for at in films.beeps(case.film.seconds)]
    checks.require_same_clock(desk.output, lesson, beeps)
    require_original(desk.output, lesson, case)


def require_original(dub: Path, lesson: Path, case: Case) -> None:
    if not case.copied:
        assert measures.streams(dub, "audio")[1]["codec_name"] == "aac"
        return
    before = measures.packets(lesson, "a:0", case.sound_bitstream)
    after = measures.packets(dub, "a:1")
    assert [one.digest for one in after] == [one.digest for one in before]


def test_the_cases_are_as_odd_as_they_are_called(films: Path) -> None:
    def made(name: str) -> Path:
        film = CASES[name].film
        return film.make(films / f"{name}{film.suffix}")

    steps = {
        round(b - a, 2) for a, b in pairwise(measures.shown_frames(made("variable_frame_rate")))
    }
    assert len(steps) > 1
    assert float(measures.probe(made("transport_stream"))["format"]["start_time"]) >= 1.4
    turned = measures.moving_picture(made("rotated_phone_video"))["side_data_list"][0]
    assert abs(turned["rotation"]) == 90
    assert measures.packets(made("b_frames"), "V:0")[0].decoded < 0
    trimmed = made("trimmed_by_an_edit_list")
    assert len(measures.packets(trimmed, "V:0")) > len(measures.shown_frames(trimmed))


def test_a_lesson_of_three_seconds(desk: Desk) -> None:
    lesson = Film(seconds=3.0).make(desk.lessons / "short.mp4")
    source, target = [Line(1.0, 2.3, "It rains.")], [Line(1.0, 2.3, "Hoy llueve.")]
    desk.done(
        lesson,
        *("--subtitles", desk.put("lesson.srt", srt(source))),
        *("--target-subtitles", desk.put("translation.srt", srt(target))),
    )
    checks.require_same_picture(desk.output, lesson)
    checks.require_tracks(desk.output)
    checks.require_subtitles(desk.output, target, source)
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output, target)


@pytest.mark.parametrize("words", ["Sí.", "Vale, muy bien."])
def test_a_single_short_line_in_a_silent_lesson_is_as_loud_as_any(desk: Desk, words: str) -> None:
    silence = Film(sources=(films.picture(10), "anullsrc=r=48000:d=10"))
    lesson = silence.make(desk.lessons / "silent.mp4")
    source, target = [Line(4.0, 5.5, "Yes.")], [Line(4.0, 5.5, words)]
    desk.done(
        lesson,
        *("--subtitles", desk.put("lesson.srt", srt(source))),
        *("--target-subtitles", desk.put("translation.srt", srt(target))),
    )
    checks.require_sound(desk.output, lesson)
    checks.require_lines_on_time(desk.output, target)


def test_the_track_in_the_lessons_language_is_dubbed(desk: Desk) -> None:
    lesson = desk.lessons / "two.mp4"
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.picture(), "-f", "lavfi", "-i", films.sound(hum=0.05, beep=0)),
        *("-f", "lavfi", "-i", films.sound(), "-map", "0", "-map", "1", "-map", "2"),
        *shlex.split(f"{X264} {AAC} -metadata:s:a:0 language=fra -metadata:s:a:1 language=eng"),
        lesson,
    )
    desk.done(
        lesson,
        *("--subtitles", desk.put("lesson.srt", srt(ENGLISH))),
        *("--target-subtitles", desk.put("translation.srt", srt(SPANISH))),
    )
    checks.require_same_picture(desk.output, lesson)
    checks.require_tracks(desk.output)
    checks.require_lines_on_time(desk.output)
    checks.require_sound(desk.output, lesson)
    checks.require_same_clock(desk.output, lesson, films.beeps(), track=1)
    tracks = measures.streams(desk.output, "audio")
    assert [one["tags"]["language"] for one in tracks] == ["spa", "eng", "fra"]
    for after, before in ((1, 1), (2, 0)):
        expected = [one.digest for one in measures.packets(lesson, f"a:{before}")]
        assert [one.digest for one in measures.packets(desk.output, f"a:{after}")] == expected


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cover_art_is_no_picture_and_is_kept(given: Given, suffix: str) -> None:
    desk = given.desk
    cover, lesson = desk.lessons / "cover.png", desk.lessons / f"covered{suffix}"
    films.ffmpeg("-f", "lavfi", "-i", films.picture(), "-frames:v", "1", cover)
    words: list[str | Path]
    if suffix == ".mp4":
        words = ["-i", cover, "-map", "0", "-map", "1", "-disposition:v:1", "attached_pic"]
    else:
        words = ["-attach", cover, "-metadata:s:t", "mimetype=image/png"]
    films.ffmpeg("-i", given.lesson, *words, "-c", "copy", lesson)
    desk.done(lesson, *given.options)
    checks.require_same_picture(desk.output, lesson)
    checks.require_tracks(desk.output)
    checks.require_lines_on_time(desk.output)
    covers = [
        one for one in measures.streams(desk.output, "video") if one["disposition"]["attached_pic"]
    ]
    assert [one["codec_name"] for one in covers] == ["png"]

"""Lessons that cannot be dubbed: one sentence, an exit code, and nothing left behind."""

from __future__ import annotations

import os
import shlex
import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from gpu_node.demo import music
from tests.gpu_node.e2e import films
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import Desk
from tests.gpu_node.e2e.films import AAC, X264, Film

INPUT = 3
USAGE = 2

CUT_OFF = "cut off"
NOT_A_VIDEO = "not a video that can be read|damaged or cut off"
UNREADABLE = f"{NOT_A_VIDEO}|{CUT_OFF}"


# --- What is in it


def test_no_sound(desk: Desk) -> None:
    lesson = desk.lessons / "mute.mp4"
    films.ffmpeg("-f", "lavfi", "-i", films.picture(), *shlex.split(X264), lesson)
    desk.refused(lesson, code=INPUT, says="no sound")


def test_silence_only(desk: Desk) -> None:
    silence = Film(sources=(films.picture(), f"anullsrc=r=48000:d={films.SECONDS}"))
    lesson = silence.make(desk.lessons / "silent.mp4")
    desk.refused(lesson, code=INPUT, says="No speech was found")


def test_noise_only(desk: Desk) -> None:
    hiss = Film(sources=(films.picture(), f"anoisesrc=c=pink:a=0.02:seed=1:d={films.SECONDS}"))
    lesson = hiss.make(desk.lessons / "noise.mp4")
    desk.refused(lesson, code=INPUT, says="No speech was found")


def test_music_only(desk: Desk) -> None:
    tune, lesson = desk.lessons / "tune.f64", desk.lessons / "music.mp4"
    tune.write_bytes(music.theme().astype("<f8").tobytes())
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.picture(music.THEME_SECONDS)),
        *("-f", "f64le", "-ar", str(music.RATE), "-ac", "2", "-i", tune),
        *shlex.split(f"{X264} {AAC} -shortest"),
        lesson,
    )
    desk.refused(lesson, code=INPUT, says="No speech was found")


def test_silence_and_a_translation_but_no_words_to_go_with_it(given: Given) -> None:
    silence = Film(sources=(films.picture(), f"anullsrc=r=48000:d={films.SECONDS}"))
    lesson = silence.make(given.desk.lessons / "silent.mp4")
    translation = ("--target-subtitles", given.target_subtitles)
    given.desk.refused(lesson, *translation, code=INPUT, says="No speech was found")


@pytest.mark.parametrize("name", ["sound.m4a", "sound.mp4", "sound.wav", "sound.mp3"])
def test_sound_only(desk: Desk, name: str) -> None:
    lesson = desk.lessons / name
    films.ffmpeg("-f", "lavfi", "-i", films.sound(), lesson)
    desk.refused(lesson, code=INPUT, says="no picture")


def test_sound_with_a_cover_is_sound_only(desk: Desk) -> None:
    cover, lesson = desk.lessons / "cover.png", desk.lessons / "song.mp3"
    films.ffmpeg("-f", "lavfi", "-i", films.picture(), "-frames:v", "1", cover)
    films.ffmpeg(
        *("-f", "lavfi", "-i", films.sound(), "-i", cover, "-map", "0", "-map", "1"),
        *("-c:v", "copy", "-disposition:v", "attached_pic", lesson),
    )
    desk.refused(lesson, code=INPUT, says="no picture")


def test_a_picture_that_mp4_cannot_hold(desk: Desk) -> None:
    lesson = Film(suffix=".wmv", coding="-c:v wmv2 -c:a wmav2").make(desk.lessons / "old.wmv")
    desk.refused(lesson, code=INPUT, says="convert it to H.264")


def test_a_picture_whose_frames_have_no_times(given: Given) -> None:
    """FFmpeg's MPEG program streams leave some out; guessed ones would move the picture."""
    film = Film(suffix=".mpg", rate="25", coding="-c:v mpeg2video -bf 2 -c:a mp2")
    lesson = film.make(given.desk.lessons / "old.mpg")
    given.desk.refused(lesson, *given.options, code=INPUT, says="convert it")


def test_an_audio_track_that_is_not_there(given: Given) -> None:
    given.desk.refused(
        given.lesson, "--audio-track", "2", *given.options, code=USAGE, says="no track 2"
    )


# --- What is left of it


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one lesson in every container that can be cut off."""
    folder = tmp_path_factory.mktemp("whole")
    options = {
        "moov_last.mp4": "",
        "moov_first.mp4": "-movflags +faststart",
        "matroska.mkv": "",
        "web.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus",
        "old.avi": "-c:v mpeg4 -c:a libmp3lame",
    }
    return {
        name: Film(options=words).make(folder / name).read_bytes()
        for name, words in options.items()
    }


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize(
    "name", ["moov_last.mp4", "moov_first.mp4", "matroska.mkv", "web.webm", "old.avi"]
)
def test_cut_off(given: Given, whole: dict[str, bytes], name: str, share: float) -> None:
    data = whole[name]
    lesson = given.desk.put(name, data[: round(len(data) * share)])
    given.desk.refused(lesson, *given.options, code=INPUT, says=CUT_OFF)


@pytest.mark.parametrize(
    "name", ["moov_last.mp4", "moov_first.mp4", "matroska.mkv", "web.webm", "old.avi"]
)
def test_little_more_than_a_header(given: Given, whole: dict[str, bytes], name: str) -> None:
    lesson = given.desk.put(name, whole[name][:3000])
    given.desk.refused(lesson, *given.options, code=INPUT, says=UNREADABLE)


def test_cut_off_by_a_few_bytes(given: Given, whole: dict[str, bytes]) -> None:
    lesson = given.desk.put("almost.mp4", whole["moov_first.mp4"][:-100])
    given.desk.refused(lesson, *given.options, code=INPUT, says=CUT_OFF)


def test_matroska_cut_off_between_two_clusters(given: Given, whole: dict[str, bytes]) -> None:
    data = whole["matroska.mkv"]
    cluster = b"\x1f\x43\xb6\x75"
    last = data.rindex(cluster)
    assert data.index(cluster) < last
    given.desk.refused(
        given.desk.put("between.mkv", data[:last]), *given.options, code=INPUT, says=CUT_OFF
    )


def test_nothing_in_it(given: Given) -> None:
    lesson = given.desk.put("empty.mp4", b"")
    given.desk.refused(lesson, *given.options, code=INPUT, says=r"empty \(0 bytes\)")


def test_random_bytes(given: Given) -> None:
    lesson = given.desk.put("random.mp4", np.random.default_rng(1).bytes(200_000))
    given.desk.refused(lesson, *given.options, code=INPUT, says=NOT_A_VIDEO)


@pytest.mark.parametrize(
    "text",
    ["Dear students,\n\nthis is the text of the lesson.\n" * 50, "<html><body>404</body></html>"],
)
def test_text_named_mp4(given: Given, text: str) -> None:
    given.desk.refused(
        given.desk.put("text.mp4", text), *given.options, code=INPUT, says=NOT_A_VIDEO
    )


# --- WAV headers that lie


def riff(
    form: bytes, data: bytes, *, size: int | None = None, data_size: int | None = None
) -> bytes:
    chunks = b"fmt " + struct.pack("<I", len(form)) + form if form else b""
    chunks += b"data" + struct.pack("<I", len(data) if data_size is None else data_size) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4 if size is None else size) + b"WAVE" + chunks


SAMPLES = bytes(32_000)
FORM = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
WAVS = {
    "no_format": riff(b"", SAMPLES),
    "no_channels": riff(struct.pack("<HHIIHH", 1, 0, 16_000, 0, 0, 16), SAMPLES),
    "no_rate": riff(struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16), SAMPLES),
    "huge_sizes": riff(FORM, SAMPLES, size=0xFFFFFFFF, data_size=0xFFFFFFF0),
    "unknown_codec": riff(struct.pack("<HHIIHH", 0x4242, 1, 16_000, 32_000, 2, 16), SAMPLES),
    "header_only": riff(FORM, b""),
    "half_a_header": riff(FORM, SAMPLES)[:30],
}


@pytest.mark.parametrize("name", WAVS)
def test_corrupt_wav_header(given: Given, name: str) -> None:
    """No WAV is a video, however well it can be read; what matters is the sentence."""
    lesson = given.desk.put(f"{name}.wav", WAVS[name])
    given.desk.refused(lesson, *given.options, code=INPUT, says="video|picture")


# --- What is no file at all


def test_no_such_file(given: Given) -> None:
    lesson = given.desk.lessons / "nowhere.mp4"
    given.desk.refused(lesson, *given.options, code=INPUT, says="no such file")


def test_an_address(given: Given) -> None:
    lesson = "https://localhost/lesson.mp4"
    given.desk.refused(lesson, *given.options, code=INPUT, says="no such file")


def test_a_folder(given: Given) -> None:
    given.desk.refused(given.desk.lessons, *given.options, code=INPUT, says="is a folder")


def test_a_pipe_that_nobody_writes_to(given: Given) -> None:
    pipe = given.desk.lessons / "pipe.mp4"
    os.mkfifo(pipe)
    given.desk.refused(pipe, *given.options, code=INPUT, says="lesson")


def test_a_device(given: Given) -> None:
    given.desk.refused("/dev/zero", *given.options, code=INPUT, says="lesson")


# --- Playlists: a file must never make the program open another, or an address


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """A local server that nobody should knock at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{target}\n#EXT-X-ENDLIST\n",
    "hls_master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{target}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT6S"><Period><AdaptationSet mimeType="video/mp4"><Representation '
    'id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period>'
    "</MPD>",
    "smil": '<?xml version="1.0"?><smil><body><video src="{target}"/></body></smil>',
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_named_mp4_opens_no_other_file(given: Given, name: str) -> None:
    # Whoever opens a pipe that nobody writes to waits for ever, and this test with it.
    trap = given.desk.lessons / "secret.mp4"
    os.mkfifo(trap)
    for target in (trap.as_uri(), trap.name):
        lesson = given.desk.put("list.mp4", PLAYLISTS[name].format(target=target))
        given.desk.refused(lesson, *given.options, code=INPUT, says=NOT_A_VIDEO)


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_named_mp4_opens_no_address(
    given: Given, door: socket.socket, name: str
) -> None:
    address = f"http://127.0.0.1:{door.getsockname()[1]}/secret.ts"
    lesson = given.desk.put("list.mp4", PLAYLISTS[name].format(target=address))
    given.desk.refused(lesson, *given.options, code=INPUT, says=NOT_A_VIDEO)
    with pytest.raises(BlockingIOError):
        door.accept()


@pytest.mark.parametrize("suffix", [".m3u8", ".ffconcat", ".txt"])
def test_a_playlist_under_its_own_name(given: Given, suffix: str) -> None:
    text = PLAYLISTS["ffconcat" if suffix == ".ffconcat" else "hls"]
    lesson = given.desk.put(f"list{suffix}", text.format(target=given.lesson))
    given.desk.refused(lesson, *given.options, code=INPUT, says=NOT_A_VIDEO)


# --- Languages


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("en", "qq", '"qq" is not a language code'),
        ("klingonish", "es", '"klingonish" is not a language code'),
        ("", "es", "is not a language code"),
        ("en", "español", "is not a language code"),
        ("en", "\N{SNOWMAN}\n", "is not a language code"),
        ("en", "en-GB", "already in English"),
        ("en", "fr", "--target-subtitles"),
        ("ru", "en", "--subtitles"),
        ("en", "ru", "--target-subtitles"),
    ],
)
def test_languages(given: Given, source: str, target: str, says: str) -> None:
    given.desk.refused(given.lesson, source=source, target=target, code=USAGE, says=says)


def test_a_language_without_a_voice(given: Given) -> None:
    given.desk.refused(
        given.lesson, *given.options, target="bo", code=USAGE, says="no voice for bo"
    )


@pytest.mark.parametrize("option", ["--asr", "--mt", "--tts", "--separation"])
def test_an_engine_that_is_not_there(given: Given, option: str) -> None:
    given.desk.refused(
        given.lesson, *given.options, option, "magic", code=USAGE, says='called "magic"'
    )


def test_what_an_engine_would_need(given: Given) -> None:
    given.desk.refused(
        given.lesson, "--asr", "subtitles", code=USAGE, says="needs the lesson's own --subtitles"
    )
    given.desk.refused(
        given.lesson, "--mt", "provided", code=USAGE, says="needs --target-subtitles"
    )


# --- Outputs


def test_output_that_is_no_mp4(given: Given) -> None:
    output = given.desk.out / "dub.mkv"
    given.desk.refused(given.lesson, *given.options, output=output, code=USAGE, says=".mp4")


def test_output_that_is_a_folder(given: Given) -> None:
    output = given.desk.out / "folder.mp4"
    output.mkdir()
    given.desk.refused(given.lesson, *given.options, output=output, code=5, says="is a folder")


def test_output_whose_folder_is_missing(given: Given) -> None:
    output = given.desk.out / "missing" / "dub.mp4"
    given.desk.refused(given.lesson, *given.options, output=output, code=5, says="does not exist")


def test_output_that_is_the_lesson(given: Given) -> None:
    desk = given.desk
    symbolic, hard = desk.out / "symbolic.mp4", desk.out / "hard.mp4"
    symbolic.symlink_to(given.lesson)
    hard.hardlink_to(given.lesson)
    roundabout = desk.lessons / ".." / "lessons" / given.lesson.name
    for output in (given.lesson, roundabout, symbolic, hard):
        desk.refused(
            given.lesson, *given.options, output=output, code=USAGE, says="the lesson itself"
        )


@pytest.mark.parametrize("option", ["--subtitles", "--target-subtitles"])
def test_report_that_is_a_subtitles_file(given: Given, option: str) -> None:
    path = dict(zip(("--subtitles", "--target-subtitles"), given.options[1::2], strict=True))
    given.desk.refused(
        given.lesson, *given.options, "--report", path[option], code=USAGE, says="itself"
    )


def test_report_that_is_the_dub(given: Given) -> None:
    given.desk.refused(
        given.lesson, *given.options, "--report", given.desk.output, code=USAGE, says="itself"
    )


@pytest.mark.parametrize("language", ["en", "es"])
def test_subtitles_beside_the_dub_that_are_the_partners_own(given: Given, language: str) -> None:
    """Nothing that was given may be overwritten: not by the WebVTT files either."""
    desk = given.desk
    own = desk.out / f"dub.{language}.vtt"
    option = "--subtitles" if language == "en" else "--target-subtitles"
    own.write_bytes((given.subtitles if language == "en" else given.target_subtitles).read_bytes())
    options = [*given.options]
    options[options.index(option) + 1] = own
    desk.refused(given.lesson, *options, code=USAGE, says="itself")


def test_a_folder_where_the_subtitles_would_go(given: Given) -> None:
    (given.desk.out / "dub.es.vtt").mkdir()
    given.desk.refused(given.lesson, *given.options, code=5, says="folder|directory")


def test_what_was_there_before_stays_when_a_run_is_refused(given: Given) -> None:
    for name in ("dub.mp4", "dub.es.vtt", "dub.en.vtt"):
        (given.desk.out / name).write_text("yesterday's")
    broken = given.desk.put("broken.srt", "1\nsoon --> later\nHola.\n")
    given.desk.refused(
        given.lesson, "--subtitles", broken, code=INPUT, says="timing line that cannot be read"
    )

"""What a file holds is read right from whatever container, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import MediaInfo
from gpu_node.media.probe import describe, probe
from tests.gpu_node.making import X264, ffmpeg, hum, picture, save, tone

FILM = (*picture(), *hum())
AAC = ("-c:a", "aac")


def film(folder: Path, *options: str | Path, name: str = "film.mp4") -> Path:
    path = folder / name
    ffmpeg(*FILM, *X264, *AAC, *options, path)
    return path


def refusal(path: Path) -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        probe(path)
    return caught.value


# --- What is described


def test_an_ordinary_film(tmp_path: Path) -> None:
    found = probe(film(tmp_path))
    assert found.duration == pytest.approx(2.0, abs=0.03)
    assert found.video is not None
    assert (found.video.codec, found.video.width, found.video.height) == ("h264", 64, 48)
    assert (found.video.start, found.video.frames_per_second) == (0.0, 25.0)
    (track,) = found.audio
    assert (track.number, track.codec, track.sample_rate, track.channels) == (1, "aac", 48_000, 1)
    assert found.cover_indexes == ()


@pytest.mark.parametrize("name", ["film.mkv", "film.mov", "film.ts", "film.flv", "film.avi"])
def test_other_containers_say_the_same(tmp_path: Path, name: str) -> None:
    found = probe(film(tmp_path, name=name))
    assert found.duration == pytest.approx(2.0, abs=0.1)
    assert found.video is not None
    assert found.video.duration == pytest.approx(2.0, abs=0.1)
    assert found.video.frames_per_second == pytest.approx(25)
    assert found.audio[0].duration == pytest.approx(2.0, abs=0.1)


def test_a_film_on_its_side(tmp_path: Path) -> None:
    upright = film(tmp_path)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-i", upright, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    shown = [probe(path).video for path in (upright, turned)]
    assert [video.rotation for video in shown if video] == [0, 90]


@pytest.mark.parametrize("first", [True, False])
def test_cover_art_is_not_the_picture(tmp_path: Path, first: bool) -> None:
    cover, covered = tmp_path / "cover.png", tmp_path / "covered.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=300x300", "-frames:v", "1", cover)
    inputs: list[str | Path] = ["-i", film(tmp_path)]
    inputs = ["-i", cover, *inputs] if first else [*inputs, "-i", cover]
    disposition = f"-disposition:v:{0 if first else 1}"
    ffmpeg(*inputs, "-map", "0", "-map", "1", "-c", "copy", disposition, "attached_pic", covered)
    found = probe(covered)
    assert found.video is not None
    assert found.video.codec == "h264"
    assert len(found.cover_indexes) == 1


def test_sound_with_a_cover_has_no_picture(tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "song.mp3"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=300x300", "-frames:v", "1", cover)
    cover_input = ("-i", cover, "-disposition:v", "attached_pic")
    ffmpeg(*hum(), *cover_input, "-map", "0", "-map", "1", "-c:v", "copy", song)
    found = probe(song)
    assert found.video is None
    assert len(found.audio) == len(found.cover_indexes) == 1


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    uneven = ("-vf", "select='not(mod(n,3))+lt(n,20)'", "-vsync", "vfr")
    found = probe(film(tmp_path, *uneven)).video
    assert found is not None
    # Of 50 frames 20 are kept, then every third: 30 in a little under two seconds.
    assert found.duration == pytest.approx(2.0, abs=0.1)
    assert found.frames_per_second == pytest.approx(30 / found.duration)


def test_a_transport_stream_starts_at_nothing(tmp_path: Path) -> None:
    # Its own clock starts later: at 1.4 s here, anywhere in a recording cut out of a broadcast.
    path = film(tmp_path, "-muxdelay", "0.7", "-output_ts_offset", "3600", name="film.ts")
    found = probe(path)
    assert found.video is not None
    starts = sorted([found.video.start, found.audio[0].start])
    assert starts[0] == 0.0
    assert starts[1] < 0.1
    assert found.duration == pytest.approx(2.0, abs=0.1)


def test_matroska_says_no_durations(tmp_path: Path) -> None:
    late = ("-itsoffset", "0.5", *hum(1.0))
    path = tmp_path / "film.mkv"
    ffmpeg(*picture(), *late, *X264, *AAC, path)
    found = probe(path)
    assert found.video is not None
    assert found.audio[0].start == pytest.approx(0.5, abs=0.03)
    assert found.video.start + found.video.duration == pytest.approx(found.duration)
    assert found.audio[0].start + found.audio[0].duration == pytest.approx(found.duration)


def test_sound_that_starts_late(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    ffmpeg(*picture(), "-itsoffset", "0.5", *hum(1.0), *X264, *AAC, path)
    found = probe(path)
    assert found.video is not None
    assert found.video.start == 0.0
    assert found.audio[0].start == pytest.approx(0.5, abs=0.03)
    assert found.audio[0].duration == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("name", ["two.mkv", "two.mp4"])
def test_two_tracks_with_their_languages(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    tracks = ("-map", "0", "-map", "1", "-map", "2")
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=rus")
    default = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    ffmpeg(*FILM, *hum(), *tracks, *X264, *AAC, *languages, *default, path)
    found = probe(path).audio
    assert [t.number for t in found] == [1, 2]
    assert [t.language for t in found] == ["eng", "rus"]
    assert [t.default for t in found] == [False, True]


def test_titles_are_kept_whatever_the_script(tmp_path: Path) -> None:
    path = film(tmp_path, "-metadata:s:a:0", "title=Перевод «А»", name="film.mkv")
    assert probe(path).audio[0].title == "Перевод «А»"


def test_a_film_without_sound_is_described(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    ffmpeg(*picture(), *X264, path)
    found = probe(path)
    assert found.video is not None
    assert found.audio == ()


# --- What is refused


def test_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.mp4").reason is Reason.INPUT_MISSING
    assert refusal(save(tmp_path / "a.wav", tone(1, 0.1)) / "b").reason is Reason.INPUT_MISSING


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4").reason is Reason.INPUT_EMPTY


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).reason is Reason.INPUT_NOT_MEDIA


@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "a\0b.mp4"])
def test_a_name_that_cannot_be(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path / name).reason is Reason.INPUT_UNREADABLE


@pytest.mark.parametrize("content", [b"\0" * 5000, b"Hello", b"%PDF-1.4\n", b"#EXTM3U\nhttp://a\n"])
def test_what_is_not_a_film(tmp_path: Path, content: bytes) -> None:
    plain, disguised = tmp_path / "lesson", tmp_path / "lesson.mp4"
    for path in (plain, disguised):
        path.write_bytes(content)
    assert refusal(plain).reason is Reason.INPUT_NOT_MEDIA
    # Called MP4, it may as well be the beginning of one.
    assert refusal(disguised).reason in (Reason.INPUT_NOT_MEDIA, Reason.INPUT_DAMAGED)


def test_a_film_cut_off_before_its_index(tmp_path: Path) -> None:
    whole = film(tmp_path).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    error = refusal(path)
    assert error.reason is Reason.INPUT_DAMAGED
    assert "moov atom not found" in error.detail


# --- What ffprobe says of a broken file

numbers = st.one_of(
    st.integers(-(10**30), 10**30), st.floats(), st.sampled_from(["N/A", "", "-1", "1e999", "nan"])
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def objects(keys: list[str], special: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Mostly objects with the keys that ffprobe uses, holding anything."""
    known = {key: st.one_of(numbers, values) for key in keys} | special
    return st.one_of(values, st.fixed_dictionaries({}, optional=known))


STREAM_KEYS = (
    "index width height start_time duration channels sample_rate tags avg_frame_rate disposition "
    "codec_name"
)
streams = objects(
    STREAM_KEYS.split(),
    {
        "codec_type": st.sampled_from(["audio", "video", "subtitle"]),
        "side_data_list": st.lists(objects(["rotation"], {}), max_size=2),
    },
)
answers = objects(
    [],
    {
        "format": objects(["start_time", "duration", "format_name"], {}),
        "streams": st.one_of(values, st.lists(streams, max_size=3)),
    },
)


def described(said: bytes) -> MediaInfo | None:
    try:
        return describe(said)
    except DubfleetError as error:
        assert error.reason is Reason.INPUT_NOT_MEDIA
        return None


@given(answers)
def test_whatever_ffprobe_says_is_described_or_refused(answer: Any) -> None:
    found = described(json.dumps(answer).encode())
    if found is not None:
        assert MediaInfo.model_validate_json(found.model_dump_json()) == found


@given(st.binary(max_size=60))
def test_what_is_not_json_is_refused(said: bytes) -> None:
    described(said)


@pytest.mark.parametrize("said", [b"", b"{}", b'{"streams": [], "format": {}}'])
def test_nothing_said_is_nothing_there(said: bytes) -> None:
    found = describe(said)
    assert (found.video, found.audio, found.duration) == (None, (), 0.0)

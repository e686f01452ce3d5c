"""A fingerprint stays the same while a picture is copied, and notices when anything is changed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import PictureFingerprint
from gpu_node.media.picture import fingerprint
from gpu_node.media.probe import probe
from tests.gpu_node.making import X264, ffmpeg, hum, picture

AMPLE = 60.0
# Frames are decoded in another order than they are shown in, as in almost every real video.
REORDERED = (*X264, "-bf", "2")
COPY = ("-map", "0:V:0", "-map", "0:a?", "-c", "copy")


def film(path: Path, *options: str, rate: str = "25", coding: tuple[str, ...] = REORDERED) -> Path:
    ffmpeg(*picture(rate=rate), *hum(), *coding, "-c:a", "aac", *options, path)
    return path


def copied(source: Path, name: str, *options: str) -> Path:
    target = source.with_name(name)
    ffmpeg("-i", source, *COPY, *options, target)
    return target


def printed(path: Path) -> PictureFingerprint:
    video = probe(path).video
    assert video is not None
    return fingerprint(path, codec=video.codec, timeout=AMPLE)


def refusal(path: Path, codec: str = "h264") -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        fingerprint(path, codec=codec, timeout=AMPLE)
    return caught.value


@pytest.mark.parametrize("rate", ["25", "30", "30000/1001"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
def test_a_copy_into_mp4_is_the_same(tmp_path: Path, suffix: str, rate: str) -> None:
    original = film(tmp_path / f"film{suffix}", rate=rate)
    assert printed(copied(original, "copy.mp4")) == printed(original)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("film.avi", (*X264, "-bf", "0")),
        ("film.mkv", ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")),
        ("film.ts", ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")),
        ("film.mov", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
        ("film.mp4", ("-c:v", "mpeg4", "-bf", "2")),
        ("film.ts", ("-c:v", "mpeg2video", "-bf", "2")),
        ("film.mkv", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    ],
)
def test_every_codec_is_the_same_in_mp4(tmp_path: Path, name: str, coding: tuple[str, ...]) -> None:
    original = film(tmp_path / name, coding=coding)
    found = printed(original)
    assert found == printed(copied(original, "copy.mp4"))
    assert found.count == 50


def test_to_matroska_and_back_is_the_same(tmp_path: Path) -> None:
    # At 25 frames a second every time is a whole millisecond, which is what Matroska counts in.
    original = film(tmp_path / "film.mp4")
    there = copied(original, "there.mkv")
    assert printed(original) == printed(there) == printed(copied(there, "back.mp4"))


def test_variable_frame_rates_are_the_same(tmp_path: Path) -> None:
    uneven = ("-vf", "select='not(mod(n,3))+lt(n,20)'", "-vsync", "vfr")
    original = film(tmp_path / "film.mkv", *uneven)
    assert printed(copied(original, "copy.mp4")) == printed(original)


def test_other_sound_and_cover_art_make_no_difference(tmp_path: Path) -> None:
    original, cover = film(tmp_path / "film.mp4"), tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", cover)
    other = tmp_path / "other.mp4"
    maps = ("-map", "0", "-map", "1:V", "-map", "2")
    covered = ("-c", "copy", "-c:a", "aac", "-disposition:v:0", "attached_pic")
    ffmpeg("-i", cover, "-i", original, *hum(1.0), *maps, *covered, other)
    assert printed(other) == printed(original)


def packets(path: Path) -> list[tuple[int, int]]:
    """Where each packet of the picture lies in the file, and how long it is."""
    argv = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", "packet=pos,size"]
    said = subprocess.run([*argv, "-of", "json", str(path)], check=True, capture_output=True)
    return [(int(p["pos"]), int(p["size"])) for p in json.loads(said.stdout)["packets"]]


@pytest.mark.parametrize("number", [0, 7, -1])
def test_one_changed_byte_is_seen(tmp_path: Path, number: int) -> None:
    original = film(tmp_path / "film.mp4")
    position, size = packets(original)[number]
    content = bytearray(original.read_bytes())
    content[position + size - 2] ^= 1
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(content)
    before, after = printed(original), printed(changed)
    assert before.packets != after.packets
    assert (before.timestamps, before.count) == (after.timestamps, after.count)


def test_one_changed_time_is_seen(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4", coding=(*X264, "-bf", "0"))
    late = copied(original, "late.mp4", "-bsf:v", r"setts=ts=if(eq(N\,5)\,TS+100\,TS)")
    before, after = printed(original), printed(late)
    assert before.packets == after.packets
    assert before.timestamps != after.timestamps


def test_one_missing_packet_is_seen(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4")
    shorter = copied(original, "shorter.mp4", "-bsf:v", r"noise=drop=eq(n\,30)")
    before, after = printed(original), printed(shorter)
    assert after.count == before.count - 1
    assert before.packets != after.packets
    assert before.timestamps != after.timestamps


def test_another_encoding_is_another_picture(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4")
    again = tmp_path / "again.mp4"
    ffmpeg("-i", original, *X264, "-crf", "30", again)
    assert printed(again).packets != printed(original).packets


def test_progress_is_in_seconds_and_grows(tmp_path: Path) -> None:
    path, seen = tmp_path / "film.mp4", list[float]()
    ffmpeg(*picture(16.0), *X264, path)
    fingerprint(path, codec="h264", timeout=AMPLE, on_progress=seen.append)
    assert len(seen) == 4
    assert all(one < two for one, two in pairwise(seen))
    assert seen[-1] == pytest.approx(16.0, abs=0.2)


def test_the_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks knows the codec already, from a probe that need not be made again."""
    path, started = film(tmp_path / "film.mp4"), list[str]()
    real = process.run

    def run(argv: Sequence[str], **how: Any) -> process.Finished:
        started.append(argv[0])
        return real(argv, **how)

    monkeypatch.setattr(process, "run", run)
    fingerprint(path, codec="h264", timeout=AMPLE)
    assert started == ["ffmpeg"]


# --- What is refused


@pytest.mark.parametrize("share", [0.4, 0.95])
@pytest.mark.parametrize(
    ("name", "options"), [("a.mp4", ("-movflags", "+faststart")), ("a.mkv", ())]
)
def test_a_file_that_ends_too_early(
    tmp_path: Path, name: str, options: tuple[str, ...], share: float
) -> None:
    whole = film(tmp_path / name, *options).read_bytes()
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(whole[: round(len(whole) * share)])
    assert refusal(cut).reason is Reason.INPUT_DAMAGED


@pytest.mark.parametrize(
    ("codec", "coding"), [("h264", REORDERED), ("mpeg4", ("-c:v", "mpeg4", "-bf", "2"))]
)
def test_a_file_that_does_not_say_when_frames_are_shown(
    tmp_path: Path, codec: str, coding: tuple[str, ...]
) -> None:
    # Copied into MP4, its frames would be shown in the order in which they are decoded.
    error = refusal(film(tmp_path / "film.avi", coding=coding), codec)
    assert error.reason is Reason.PICTURE_NOT_IN_MP4
    assert "convert it to MP4" in error.sentence

"""What is really in a file, whatever its header and its name say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from chatterbox_service.references.checking import Limits, check
from tests.chatterbox_service.references import making
from tests.chatterbox_service.references.making import refused

LIMITS = Limits()


# Its header.


def test_a_header_that_claims_four_gigabytes(tmp_path: Path) -> None:
    """Programs that write into a pipe leave such a header: what is there counts."""
    path = making.with_wav_sizes(
        making.save(tmp_path / "voice.wav", making.spoken(3.0)), 0xFFFFFFFF
    )
    assert check(path, LIMITS).duration == pytest.approx(3.0)


def test_a_header_that_claims_enough_of_what_is_too_short(tmp_path: Path) -> None:
    path = making.with_wav_sizes(
        making.save(tmp_path / "voice.wav", making.spoken(0.5)), 24_000 * 2 * 60
    )
    assert "lasts 0.5 s" in refused(path)


def test_a_header_that_claims_too_little_of_what_is_too_long(tmp_path: Path) -> None:
    """What is never decoded never reaches an engine either."""
    path = making.with_flac_frames(making.long_flac(tmp_path / "v.flac", 240.0), 8_000)
    assert "lasts 1 s" in refused(path)


@pytest.mark.parametrize("frames", [0, 2**36 - 1])
def test_a_flac_header_of_no_or_endless_length(tmp_path: Path, frames: int) -> None:
    """The first is what a pipe leaves."""
    path = making.save(tmp_path / "voice.flac", making.spoken(3.0), form="FLAC")
    assert check(making.with_flac_frames(path, frames), LIMITS).duration == pytest.approx(3.0)
    path = making.with_flac_frames(making.long_flac(tmp_path / "long.flac", 180.0), frames)
    assert "lasts more than 120 s" in refused(path)


@pytest.mark.parametrize("rate", [1, 7_999, 192_001, 2_000_000_000])
def test_rates_that_nobody_records_at(tmp_path: Path, rate: int) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(3.0))
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    assert "samples per second" in refused(path) or "no recording" in refused(path)


@pytest.mark.parametrize(("channels", "rate"), [(33, 8_000), (1024, 24_000), (9, 192_000)])
def test_too_many_channels(tmp_path: Path, channels: int, rate: int) -> None:
    path = making.save(tmp_path / "v.wav", np.zeros((200, channels), np.float32), rate)
    assert f"{channels} channels" in refused(path)


# Its content.


def test_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.touch()
    assert refused(path) == "The reference is empty: send a recording of clean speech."


def test_a_header_and_nothing_else(tmp_path: Path) -> None:
    assert "is empty" in refused(making.save(tmp_path / "voice.wav", making.silence(0.0)))


def test_text_that_is_called_a_wav(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.write_text("This is no sound. " * 1000, encoding="utf-8")
    assert "send WAV, FLAC, OGG or MP3" in refused(path)


@pytest.mark.parametrize(
    "head", [b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90\x00", b"\xff", b"R"]
)
def test_noise_behind_a_promising_beginning(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(head + np.random.default_rng(7).bytes(20_000))
    refused(path)
    path.write_bytes(head)
    refused(path)


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "W64", "VOC", "NIST", "MAT5"])
def test_other_formats(tmp_path: Path, form: str) -> None:
    path = making.save(tmp_path / "voice.wav", making.spoken(3.0), form=form, subtype="PCM_16")
    assert "send WAV, FLAC, OGG or MP3" in refused(path)
    # Nor behind a tag that MP3 files begin with.
    path.write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes())
    refused(path)


def test_other_formats_are_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libsndfile knows more than twenty, some of which hardly anybody has looked at for years."""
    opened: list[object] = []
    monkeypatch.setattr(soundfile, "SoundFile", lambda *args, **_: opened.append(args))
    for head in (b"FORM\0\0\0\0AIFF", b".snd", b"caff", b"MATLAB 5.0", b"<html>", b"\xff\x00"):
        path = tmp_path / "voice.wav"
        path.write_bytes(head + bytes(1000))
        refused(path)
    assert opened == []


def test_a_wav_that_is_cut_counts_for_what_is_left(tmp_path: Path) -> None:
    path = making.first_half(making.save(tmp_path / "voice.wav", making.spoken(8.0)))
    assert check(path, LIMITS).duration == pytest.approx(4.0, abs=0.01)
    path = making.first_half(making.save(tmp_path / "voice.wav", making.spoken(2.0)))
    assert "lasts 0.99 s" in refused(path)


def test_a_flac_that_is_cut(tmp_path: Path) -> None:
    path = making.save(tmp_path / "voice.flac", making.spoken(8.0), form="FLAC")
    assert "damaged or incomplete" in refused(making.first_half(path))


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_a_stream_that_is_cut_counts_for_what_is_left(
    tmp_path: Path, form: str, subtype: str | None
) -> None:
    path = making.save(tmp_path / "v", making.spoken(8.0), form=form, subtype=subtype)
    assert 1.5 < check(making.first_half(path), LIMITS).duration < 6.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    said = making.spoken(3.0).copy()
    said[40_000] = value
    path = making.save(tmp_path / "voice.wav", said, subtype="FLOAT")
    assert "not numbers" in refused(path)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    good = making.save(tmp_path / "good.wav", making.spoken(3.0))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    before = making.held(Path("/proc/self/fd"))
    check(good, LIMITS)
    refused(bad)
    assert len(making.held(Path("/proc/self/fd"))) == len(before)
    assert making.held(tmp_path) == {"good.wav", "bad.wav"}

"""WAV files: exact, repeatable, in pieces, and clear about a full disk."""

from __future__ import annotations

import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.media import wav
from tests.gpu_node.making import RATE, save, tone

Usage = namedtuple("Usage", "total used free")


@settings(deadline=None, max_examples=30)
@given(st.floats(-1, 3), st.floats(-1, 3), st.integers(0, 2 * RATE))
def test_a_span_is_that_part_of_the_file(start: float, end: float, count: int) -> None:
    sound = np.random.default_rng(count).uniform(-1, 1, (count, 2))
    with tempfile.TemporaryDirectory() as name:
        path = save(Path(name) / "sound.wav", sound)
        found = wav.span(path, start, end)
        whole = soundfile.read(path, dtype="float32", always_2d=True)[0]
    first = max(0, round(start * RATE))
    assert np.array_equal(found, whole[first : max(first, round(end * RATE))])


@pytest.mark.parametrize("count", [0, 1, RATE - 1, RATE, RATE + 1, 3 * RATE])
def test_blocks_are_the_whole_file(tmp_path: Path, count: int) -> None:
    path = save(tmp_path / "sound.wav", np.random.default_rng(1).uniform(-1, 1, (count, 2)))
    blocks = list(wav.blocks(path))
    assert all(len(block) == RATE for block in blocks[:-1])
    joined = np.concatenate([np.zeros((0, 2), dtype=np.float32), *blocks])
    assert np.array_equal(joined, soundfile.read(path, dtype="float32", always_2d=True)[0])


@pytest.mark.parametrize("form", ["WAV", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_what_is_written_can_be_read(tmp_path: Path, form: str, subtype: str) -> None:
    sound = tone(440, 0.5).astype(np.float32)
    with wav.writer(tmp_path / "a.wav", channels=1, subtype=subtype, form=form) as file:
        for part in np.array_split(sound, 7):
            file.write(part)
    found, rate = soundfile.read(tmp_path / "a.wav", dtype="float64")
    assert rate == RATE
    assert np.abs(found - sound).max() <= (2.0**-15 if subtype == "PCM_16" else 2.0**-23)


def test_sixteen_bits_survive_floats(tmp_path: Path) -> None:
    every = np.arange(-32768, 32768, dtype=np.int16)
    path = tmp_path / "all.wav"
    wav.write(path, (every / 32768).astype(np.float32))
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], every)


def test_short_files_may_have_two_channels_and_any_rate(tmp_path: Path) -> None:
    wav.write(tmp_path / "a.wav", np.zeros((100, 2), dtype=np.float32), rate=22_050)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.channels, info.samplerate, info.frames) == (2, 22_050, 100)


def test_too_loud_is_cut_off_not_wrapped_around(tmp_path: Path) -> None:
    wav.write(tmp_path / "a.wav", np.array([2.0, -2.0], dtype=np.float32))
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32768]


def test_the_same_sound_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.wav", "two.wav"):
        with wav.writer(tmp_path / name, channels=1, subtype="PCM_24") as file:
            file.write(tone(440, 0.1))
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 0))
    with pytest.raises(DubfleetError) as caught:
        wav.write(path, np.zeros(100_000, dtype=np.float32))
    assert caught.value.reason is Reason.DISK_FULL


def test_other_failures_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(soundfile.LibsndfileError):
        wav.write(tmp_path, np.zeros(10, dtype=np.float32))

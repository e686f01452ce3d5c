"""A waveform for drawing shows every sample's extreme, however the file is read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.contracts.media import Peaks
from gpu_node.media.peaks import peaks
from tests.gpu_node.making import RATE, Sound, save, stereo, tone


def drawn(folder: Path, sound: Sound, per_second: int = 50, rate: int = RATE) -> Peaks:
    return peaks(save(folder / "sound.wav", sound, rate=rate), per_second)


def test_known_extremes(tmp_path: Path) -> None:
    sound = np.zeros(3 * 960)
    sound[5], sound[900] = 0.5, -0.25
    sound[2 * 960] = 1.0
    found = drawn(tmp_path, sound)
    assert found.data == (-32, 64, 0, 0, 0, 127)
    assert (found.length, found.samples_per_pixel, found.sample_rate) == (3, 960, RATE)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 5000), st.integers(1, 400), st.integers(0, 2**32))
def test_no_sample_lies_outside_its_bucket(count: int, size: int, seed: int) -> None:
    sound = np.random.default_rng(seed).uniform(-1, 1, count)
    with tempfile.TemporaryDirectory() as name:
        found = drawn(Path(name), sound, per_second=RATE // size)
    assert found.length == -(-count // found.samples_per_pixel)
    assert len(found.data) == 2 * found.length
    buckets = np.arange(count) // found.samples_per_pixel
    pairs = np.array(found.data).reshape(-1, 2) / 127
    rounding = 0.5 / 127 + 1 / 32768
    assert np.all(sound >= pairs[buckets, 0] - rounding)
    assert np.all(sound <= pairs[buckets, 1] + rounding)


def test_a_file_of_many_blocks_is_one_waveform(tmp_path: Path) -> None:
    sound = np.repeat(np.linspace(0, 0.9, 2500), 48)
    found = np.array(drawn(tmp_path, sound, per_second=1000).data).reshape(-1, 2)
    assert len(found) == 2500
    assert np.abs(found[:, 1] / 127 - np.linspace(0, 0.9, 2500)).max() < 0.005


def test_channels_are_averaged(tmp_path: Path) -> None:
    sound = stereo(np.full(960, 0.5))
    sound[:, 1] = 0.0
    assert drawn(tmp_path, sound).data == (32, 32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_other_rates(tmp_path: Path, rate: int) -> None:
    found = drawn(tmp_path, tone(100, 2.0, rate=rate), rate=rate)
    assert found.length == 100
    assert found.sample_rate == rate


def test_full_scale_fits_eight_bits(tmp_path: Path) -> None:
    assert drawn(tmp_path, np.array([-1.0, 1.0])).data == (-127, 127)


def test_an_empty_file_is_an_empty_waveform(tmp_path: Path) -> None:
    found = drawn(tmp_path, np.zeros(0))
    assert (found.length, found.data) == (0, ())

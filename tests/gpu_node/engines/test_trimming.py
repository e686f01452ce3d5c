"""Where a line can be heard, and what is left of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.engines.tts.trimming import audible_bounds, trim
from tests.gpu_node.making import RATE, tone


@given(st.integers(0, 2000), st.integers(50, 2000), st.integers(0, 2000))
def test_bounds_are_those_of_the_sound(before: int, length: int, after: int) -> None:
    loud = np.where(np.arange(length) % 2, 0.5, -0.5)
    sound = np.concatenate([np.zeros(before), loud, np.zeros(after)]).astype(np.float32)
    assert audible_bounds(sound) == (before, before + length)


def test_a_faint_consonant_is_heard_and_hiss_is_not() -> None:
    parts = [tone(100, 0.1, dbfs=level) for level in (-60, -35, -3, -60)]
    found = audible_bounds(np.concatenate(parts).astype(np.float32))
    assert found is not None
    assert found[0] / RATE == pytest.approx(0.1, abs=0.002)
    assert found[1] / RATE == pytest.approx(0.3, abs=0.002)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_silence_has_no_bounds(count: int) -> None:
    assert audible_bounds(np.zeros(count, dtype=np.float32)) is None


def test_a_little_is_left_around_the_sound(tmp_path: Path) -> None:
    quiet, rate = np.zeros(12_000), 24_000
    sound = np.concatenate([quiet, tone(440, 0.5, rate=rate), quiet]).astype(np.float32)
    found = trim(sound, rate, tmp_path / "line.wav")
    assert found == pytest.approx((0.57, 0.01), abs=0.001)
    written, written_rate = soundfile.read(tmp_path / "line.wav")
    assert written_rate == RATE
    assert len(written) / RATE == pytest.approx(0.57, abs=0.001)


def test_of_silence_nothing_is_written(tmp_path: Path) -> None:
    assert trim(np.zeros(1000, dtype=np.float32), 24_000, tmp_path / "line.wav") is None
    assert list(tmp_path.iterdir()) == []

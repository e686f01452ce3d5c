"""Every line is where it was put, to the sample, and nothing else is on the track."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_node.media.voice_track import Clip, assemble
from tests.gpu_node.making import RATE, save

FADE = 240
"""5 ms at 48 kHz, in samples."""

Samples = NDArray[np.int16]
lines = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 3000)), max_size=6)
"""Gap before a line, and its length, in samples."""


def noise(count: int, seed: int = 0) -> Samples:
    """Never zero, so that it cannot be taken for silence."""
    random = np.random.default_rng(seed)
    sign = random.choice([-1, 1], count)
    return (sign * random.integers(1000, 30000, count)).astype(np.int16)


def clip(folder: Path, samples: Samples, start: float, *, rate: int = RATE) -> Clip:
    path = folder / f"line-{len(list(folder.iterdir()))}.wav"
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return Clip(path, start)


def track(folder: Path, clips: list[Clip], duration: float) -> Samples:
    target = folder / "track.wav"
    assemble(clips, target, duration)
    samples, rate = soundfile.read(target, dtype="int16")
    info = soundfile.info(target)
    assert (rate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
    read: Samples = samples
    return read


@settings(deadline=None, max_examples=40)
@given(lines, st.integers(0, 3000))
def test_every_line_is_found_at_its_sample(spans: list[tuple[int, int]], tail: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, clips, expected, position = Path(name), [], [], 0
        for number, (gap, length) in enumerate(spans):
            sound = noise(length, number)
            clips.append(clip(folder, sound, (position + gap) / RATE))
            fade = min(FADE, length // 2)
            expected += [(position + gap, fade, sound)]
            position += gap + length
        found = track(folder, clips, (position + tail) / RATE)
    assert len(found) == position + tail
    for first, fade, sound in expected:
        last = first + len(sound)
        assert np.array_equal(found[first + fade : last - fade], sound[fade : len(sound) - fade])
        # In a fade every sample is its own, only smaller.
        assert np.all(np.abs(found[first:last]) <= np.abs(sound))
        found[first:last] = 0
    assert not found.any()


def test_edges_fade_over_five_milliseconds(tmp_path: Path) -> None:
    level = np.full(4800, 10_000, dtype=np.int16)
    found = track(tmp_path, [clip(tmp_path, level, 0.1)], 1.0)[4800:9600].astype(int)
    assert np.array_equal(found[:FADE], np.rint(np.arange(FADE) / FADE * 10_000))
    assert np.array_equal(found[:FADE], found[: -FADE - 1 : -1])
    assert np.all(found[FADE:-FADE] == 10_000)


def test_lines_may_touch_and_end_with_the_track(tmp_path: Path) -> None:
    first, second = noise(4800, 1), noise(4800, 2)
    clips = [clip(tmp_path, first, 0.0), clip(tmp_path, second, 0.1)]
    found = track(tmp_path, clips, 0.2)
    assert np.array_equal(found[FADE : 4800 - FADE], first[FADE:-FADE])
    assert np.array_equal(found[4800 + FADE : -FADE], second[FADE:-FADE])


def test_what_lies_before_the_beginning_is_cut_off(tmp_path: Path) -> None:
    sound = noise(4800)
    found = track(tmp_path, [clip(tmp_path, sound, -0.02)], 1.0)
    assert np.array_equal(found[: 4800 - 960 - FADE], sound[960:-FADE])


def test_no_lines_are_a_silent_track(tmp_path: Path) -> None:
    found = track(tmp_path, [], 1.5)
    assert len(found) == 1.5 * RATE
    assert not found.any()


def test_an_empty_line_takes_no_place(tmp_path: Path) -> None:
    found = track(tmp_path, [clip(tmp_path, noise(0), 0.5)], 1.0)
    assert len(found) == RATE
    assert not found.any()


def test_a_line_that_begins_too_early_is_refused(tmp_path: Path) -> None:
    clips = [clip(tmp_path, noise(4800), 0.0), clip(tmp_path, noise(4800), 4799 / RATE)]
    with pytest.raises(ValueError, match="before the line before it has ended"):
        track(tmp_path, clips, 1.0)


def test_lines_out_of_order_are_refused(tmp_path: Path) -> None:
    clips = [clip(tmp_path, noise(480), 0.5), clip(tmp_path, noise(480), 0.1)]
    with pytest.raises(ValueError, match="before the line before it has ended"):
        track(tmp_path, clips, 1.0)


def test_a_line_that_ends_after_the_track_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends after the track"):
        track(tmp_path, [clip(tmp_path, noise(4801), 0.0)], 0.1)


@pytest.mark.parametrize(
    ("sound", "rate", "subtype"),
    [
        (np.zeros(480), 44_100, "PCM_16"),
        (np.zeros((480, 2)), RATE, "PCM_16"),
        (np.zeros(480), RATE, "PCM_24"),
        (np.zeros(480), RATE, "FLOAT"),
    ],
)
def test_other_kinds_of_file_are_refused(
    tmp_path: Path, sound: NDArray[np.float64], rate: int, subtype: str
) -> None:
    path = save(tmp_path / "line.wav", sound, rate=rate, subtype=subtype)
    with pytest.raises(ValueError, match="is not 48 kHz mono"):
        track(tmp_path, [Clip(path, 0.0)], 1.0)


def test_the_same_lines_give_the_same_bytes(tmp_path: Path) -> None:
    clips = [clip(tmp_path, noise(9600, n), 0.3 * n) for n in range(3)]
    written = []
    for name in ("one.wav", "two.wav"):
        assemble(clips, tmp_path / name, 2.0)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_memory_does_not_grow_with_the_track(tmp_path: Path) -> None:
    one = clip(tmp_path, noise(RATE), 0.0)
    peaks = []
    for count in (2, 60):
        tracemalloc.start()
        assemble((Clip(one.path, 2.0 * n) for n in range(count)), tmp_path / "t.wav", 2.0 * count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000

"""The bed is down while somebody speaks, untouched elsewhere, and nothing in between jumps."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_node.media.mixing import (
    HEADROOM_DB,
    Ducking,
    GainCurve,
    Interval,
    duck_curve,
    merged,
    mix,
    speech_level_db,
)
from tests.gpu_node.making import RATE, Sound, save, stereo, tone

DUCKING = Ducking()
UNTOUCHED = duck_curve([], DUCKING)
HEADROOM = 10 ** (-HEADROOM_DB / 20)
QUICK = settings(deadline=None, max_examples=40)
STEP = 2.0**-23
"""The smallest difference that 24 bits can show."""

# Milliseconds, so that every moment is a whole sample.
moments = st.integers(0, 4_000)
spans = st.lists(
    st.tuples(moments, st.integers(1, 1_500)).map(lambda s: (s[0] / 1000, (s[0] + s[1]) / 1000)),
    max_size=5,
)


def decibels(curve: GainCurve, seconds: float = 7.0) -> NDArray[np.float64]:
    """The curve's gain at each sample, read in pieces as the mix does."""
    pieces = [curve.at(first, 4_999) for first in range(0, round(seconds * RATE), 4_999)]
    gains: NDArray[np.float64] = 20 * np.log10(np.concatenate(pieces).astype(np.float64))
    return gains


def distance(clock: NDArray[np.float64], intervals: list[Interval]) -> NDArray[np.float64]:
    """Seconds to the nearest interval; 0 inside one."""
    nearest = np.full(clock.shape, np.inf)
    for start, end in intervals:
        nearest = np.minimum(nearest, np.maximum(0.0, np.maximum(start - clock, clock - end)))
    return nearest


@QUICK
@given(spans)
def test_the_bed_is_down_in_every_interval_and_up_away_from_all(intervals: list[Interval]) -> None:
    gains = decibels(duck_curve(intervals, DUCKING))
    clock = np.arange(len(gains)) / RATE
    away = distance(clock, intervals)
    assert gains.min() >= -DUCKING.depth_db - 1e-5
    assert gains.max() <= 0.0
    assert np.all(np.abs(gains[away == 0] + DUCKING.depth_db) < 1e-5)
    reach = DUCKING.attack + DUCKING.release + DUCKING.hold
    assert np.all(gains[away > reach + 1 / RATE] == 0.0)


@QUICK
@given(spans)
def test_the_bed_never_jumps(intervals: list[Interval]) -> None:
    steepest = DUCKING.depth_db / min(DUCKING.attack, DUCKING.release) / RATE
    assert np.abs(np.diff(decibels(duck_curve(intervals, DUCKING)))).max() < steepest * 1.01


def test_a_short_pause_is_held_and_a_long_one_is_not() -> None:
    longest_held = DUCKING.attack + DUCKING.release + DUCKING.hold
    for pause, held in ((longest_held - 0.01, True), (longest_held + 0.01, False)):
        gains = decibels(duck_curve([(1.0, 2.0), (2.0 + pause, 4.0)], DUCKING))
        assert (gains[2 * RATE : round((2 + pause) * RATE)].max() < -17.9) == held


@QUICK
@given(spans, st.floats(0, 2))
def test_merging_keeps_the_union_and_the_gaps(intervals: list[Interval], gap: float) -> None:
    union = merged(intervals, gap)
    for first, last in intervals:
        assert sum(start <= first and last <= end for start, end in union) == 1
    assert all(two[0] - one[1] > gap for one, two in pairwise(union))
    ends = {edge for interval in intervals for edge in interval}
    assert {edge for interval in union for edge in interval} <= ends


def test_no_intervals_leave_the_bed_alone() -> None:
    assert np.all(UNTOUCHED.at(123, 1000) == 1.0)


# --- The mix


def mixed(folder: Path, bed: Sound, voice: Sound, curve: GainCurve, gain: float = 0.0) -> Sound:
    target = folder / "mix.wav"
    mix(
        save(folder / "bed.wav", bed),
        save(folder / "voice.wav", voice),
        target,
        curve=curve,
        voice_gain_db=gain,
    )
    info = soundfile.info(target)
    assert (info.samplerate, info.channels, info.subtype) == (RATE, 2, "PCM_24")
    samples: Sound = soundfile.read(target, dtype="float64")[0]
    return samples


def written(sound: Sound) -> Sound:
    """What 16 bits keep of a sound."""
    return np.clip(np.round(sound * 32768), -32768, 32767) / 32768


def bed_of(seconds: float) -> Sound:
    noise = np.random.default_rng(1).uniform(-1, 1, (round(seconds * RATE), 2))
    return written(noise)


def test_outside_speech_the_bed_is_itself(tmp_path: Path) -> None:
    bed, voice = bed_of(3.3), np.zeros(round(3.3 * RATE))
    voice[RATE : 2 * RATE] = written(tone(440, 1.0))
    heard = mixed(tmp_path, bed, voice, duck_curve([(1.0, 2.0)], DUCKING))
    before, after = round((1 - DUCKING.attack) * RATE), round((2 + DUCKING.release) * RATE)
    for part in (slice(0, before), slice(after + 1, None)):
        assert np.abs(heard[part] - bed[part] * HEADROOM).max() <= STEP


def test_under_speech_the_bed_is_lower_by_the_depth(tmp_path: Path) -> None:
    bed, voice = bed_of(3.0), np.zeros(3 * RATE)
    heard = mixed(tmp_path, bed, voice, duck_curve([(1.0, 2.0)], DUCKING))[RATE : 2 * RATE]
    factor = HEADROOM * 10 ** (-DUCKING.depth_db / 20)
    assert np.abs(heard - bed[RATE : 2 * RATE] * factor).max() <= 2 * STEP


@pytest.mark.parametrize("gain", [-20.0, 0.0, 6.0])
def test_the_voice_is_in_the_middle_with_its_gain(tmp_path: Path, gain: float) -> None:
    voice = written(tone(440, 1.5, dbfs=-12))
    heard = mixed(tmp_path, np.zeros((len(voice), 2)), voice, UNTOUCHED, gain)
    assert np.array_equal(heard[:, 0], heard[:, 1])
    assert np.abs(heard[:, 0] - voice * HEADROOM * 10 ** (gain / 20)).max() <= 2 * STEP


def test_loud_voice_over_loud_bed_does_not_clip(tmp_path: Path) -> None:
    loud = written(tone(100, 1.0, dbfs=0))
    heard = mixed(tmp_path, stereo(loud), loud, UNTOUCHED, 6.0)
    assert np.abs(heard).max() < 1.0
    assert np.abs(heard[:, 0] - loud * (1 + 10**0.3) * HEADROOM).max() < 1e-5


@pytest.mark.parametrize("bed_seconds", [0.0, 0.5, 1.0, 1.7, 4.0])
def test_the_mix_is_as_long_as_the_voice(tmp_path: Path, bed_seconds: float) -> None:
    bed, voice = bed_of(bed_seconds), written(tone(440, 2.5, dbfs=-20))
    heard = mixed(tmp_path, bed, voice, UNTOUCHED)
    assert len(heard) == len(voice)
    padded = np.zeros((len(voice), 2))
    padded[: len(bed)] = bed[: len(voice)]
    assert np.abs(heard - (padded + voice[:, None]) * HEADROOM).max() <= 2 * STEP


# --- How loud speech is


def level(folder: Path, sound: Sound, *intervals: Interval) -> float | None:
    return speech_level_db(save(folder / "speech.wav", sound, subtype="PCM_24"), intervals)


@pytest.mark.parametrize("dbfs", [-3.0, -20.0, -50.0])
def test_a_tone_is_as_loud_as_it_is(tmp_path: Path, dbfs: float) -> None:
    # The mean power of a sine is 3.01 dB below its peak.
    found = level(tmp_path, tone(1000, 2.0, dbfs=dbfs), (0.0, 2.0))
    assert found == pytest.approx(dbfs + 10 * math.log10(0.5), abs=0.01)


def test_pauses_do_not_count(tmp_path: Path) -> None:
    sound = tone(1000, 2.0, dbfs=-20)
    sound[RATE // 2 : round(1.5 * RATE)] *= 0.001
    assert level(tmp_path, sound, (0.0, 2.0)) == pytest.approx(-23.01, abs=0.1)


def test_only_the_intervals_count(tmp_path: Path) -> None:
    sound = np.concatenate([tone(1000, 1.0, dbfs=0), tone(1000, 1.0, dbfs=-30)])
    assert level(tmp_path, sound, (1.0, 1.5), (1.5, 2.0)) == pytest.approx(-33.01, abs=0.1)


def test_both_channels_count(tmp_path: Path) -> None:
    sound = np.stack([tone(1000, 1.0, dbfs=-20), np.zeros(RATE)], axis=1)
    assert level(tmp_path, sound, (0.0, 1.0)) == pytest.approx(-29.03, abs=0.1)


@pytest.mark.parametrize("intervals", [[], [(0.0, 0.005)], [(5.0, 6.0)]])
def test_nothing_to_measure_has_no_level(tmp_path: Path, intervals: list[Interval]) -> None:
    assert level(tmp_path, tone(1000, 1.0), *intervals) is None


def test_silence_has_no_level(tmp_path: Path) -> None:
    assert level(tmp_path, np.zeros(RATE), (0.0, 1.0)) is None


def test_an_interval_past_the_end_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    found = level(tmp_path, tone(1000, 1.0, dbfs=-20), (0.5, 9.0))
    assert found == pytest.approx(-23.01, abs=0.01)

"""Speech is found to a few hundredths of a second; music, hum and silence are not speech."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_node.demo import music, reading
from gpu_node.engines.asr import activity
from gpu_node.engines.asr.activity import (
    Region,
    Samples,
    find_regions,
    join_close,
    levels_db,
    music_flags,
    runs,
)
from gpu_node.engines.asr.pocketsphinx_worker import detect
from tests.gpu_node.making import RATE, Sound, for_recogniser, in_a_room, theme, tone

DATA = Path("/usr/share/pocketsphinx/test/data")
SENTENCES = sorted(reading.TEXTS)


def regions(folder: Path, samples: Samples) -> list[Region]:
    path = folder / "speech.wav"
    soundfile.write(path, samples, activity.SAMPLE_RATE)
    return detect(str(path))


def in_room(sound: Sound) -> Samples:
    """A sound at 48 kHz in a room that is never quite silent, as the recogniser gets it."""
    return for_recogniser(in_a_room(sound))


def words(name: str) -> Sound:
    """A read sentence from its first sound to its last."""
    clip = reading.clip(name)
    first = round(clip.lead * RATE)
    return clip.sound[first : first + round(clip.speech * RATE)]


@cache
def coda() -> Sound:
    mono: Sound = music.coda().mean(axis=1)
    return mono


def quiet(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


# --- Speech is found


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_is_found_where_its_energy_is(tmp_path: Path, name: str) -> None:
    clip = reading.clip(name)
    found = regions(tmp_path, in_room(np.concatenate([quiet(1.0), clip.sound, quiet(1.0)])))
    assert found[0][0] == pytest.approx(1.0 + clip.lead, abs=0.05)
    assert found[-1][1] == pytest.approx(1.0 + clip.lead + clip.speech, abs=0.15)


@pytest.mark.parametrize("name", SENTENCES)
def test_silence_around_a_recording_does_not_move_its_onset(tmp_path: Path, name: str) -> None:
    # Edited lessons have digital silence next to a recording with its own noise.
    path = reading.FOLDER / f"sense_and_sensibility_01_austen_64kb-{name}.wav"
    samples, rate = soundfile.read(path, dtype="int16")
    onset, _ = reading.find_speech(samples / 32768, rate)
    pad = np.zeros(rate, dtype=np.int16)
    found = regions(tmp_path, np.concatenate([pad, samples, pad]))
    assert found[0][0] == pytest.approx(1.0 + onset, abs=0.05)


@pytest.mark.parametrize("gain", [0.05, 1.0, 2.0])
def test_soft_and_loud_voices_are_found(tmp_path: Path, gain: float) -> None:
    clip = reading.clip("0930")
    sound = np.concatenate([quiet(0.5), clip.sound * gain, quiet(0.5)])
    # A soft recording is soft as a whole, its room included.
    found = regions(tmp_path, for_recogniser(in_a_room(sound, min(1.0, gain))))
    assert found[0][0] == pytest.approx(0.5 + clip.lead, abs=0.05)


@pytest.mark.parametrize("number", range(1, 6))
def test_another_speaker_is_found(tmp_path: Path, number: int) -> None:
    samples, rate = soundfile.read(DATA / "cards" / f"{number:03d}.wav", dtype="int16")
    onset, end = reading.find_speech(samples / 32768, rate)
    found = regions(tmp_path, samples)
    assert found[0][0] == pytest.approx(onset, abs=0.06)
    assert found[-1][1] == pytest.approx(end, abs=0.2)


@pytest.mark.parametrize(("pause", "parts"), [(0.05, 1), (0.15, 1), (0.25, 2), (0.6, 2)])
def test_a_pause_divides_when_it_is_long_enough(tmp_path: Path, pause: float, parts: int) -> None:
    one, two = words("0890"), words("0930")
    found = regions(
        tmp_path, in_room(np.concatenate([quiet(1.0), one, quiet(pause), two, quiet(1.0)]))
    )
    assert len(found) == parts
    assert found[-1][1] == pytest.approx(1.0 + (len(one) + len(two)) / RATE + pause, abs=0.15)
    if parts == 2:
        assert found[1][0] == pytest.approx(1.0 + len(one) / RATE + pause, abs=0.05)


def test_speech_between_music_is_found_without_the_music(tmp_path: Path) -> None:
    clip = reading.clip("0920")
    sound = np.concatenate([theme(), quiet(0.5), clip.sound, quiet(0.5), coda()])
    ((start, end),) = regions(tmp_path, in_room(sound))
    onset = music.THEME_SECONDS + 0.5 + clip.lead
    assert start == pytest.approx(onset, abs=0.05)
    assert end == pytest.approx(onset + clip.speech, abs=0.15)


# --- What is not speech


def hum(seconds: float = 5.0) -> Sound:
    parts = [tone(50 * n, seconds, dbfs=-20 - 3 * n) for n in (1, 2, 3, 5, 7)]
    added: Sound = np.array(parts).sum(axis=0)
    return added


NOT_SPEECH: dict[str, Callable[[], Sound]] = {
    "theme": theme,
    "coda": coda,
    "hum": hum,
    "a tone": lambda: tone(1000, 5.0, dbfs=-10),
    "silence": lambda: quiet(5.0),
}


@pytest.mark.parametrize("make", NOT_SPEECH.values(), ids=NOT_SPEECH)
def test_no_speech_is_found_in(tmp_path: Path, make: Callable[[], Sound]) -> None:
    assert regions(tmp_path, for_recogniser(make())) == []


@pytest.mark.parametrize("name", SENTENCES)
def test_read_sentences_are_not_music(name: str) -> None:
    assert not music_flags(in_room(reading.clip(name).sound)).any()


def test_music_is_music_almost_everywhere() -> None:
    for piece in (theme(), coda()):
        assert music_flags(for_recogniser(piece)).mean() > 0.9


def test_noise_is_not_music() -> None:
    # It is left to the recogniser, which finds no words in it.
    noise = music.room_tone(5.0, -30.0)
    assert not music_flags(for_recogniser(noise)).any()


# --- Edges


@pytest.mark.parametrize("count", [0, 1, 159, 160, 479, 480, 1023, 1024, 2623, 2944, 4000])
def test_short_files_are_looked_at_too(tmp_path: Path, count: int) -> None:
    noise = np.random.default_rng(count).integers(-9000, 9000, count).astype(np.int16)
    for start, end in regions(tmp_path, noise):
        assert 0.0 <= start < end <= count / activity.SAMPLE_RATE


voices = st.lists(st.tuples(st.integers(5, 90), st.integers(0, 4)), max_size=12)
"""Stretches of 10 ms frames, and how loud each is."""


@settings(deadline=None, max_examples=60)
@given(voices, st.lists(st.booleans(), max_size=250))
def test_regions_are_in_order_and_apart(
    stretches: list[tuple[int, int]], voiced: list[bool]
) -> None:
    random = np.random.default_rng(1)
    parts = [random.normal(0, 10.0**level, 160 * frames) for frames, level in stretches]
    sound = np.clip(np.concatenate([np.zeros(0), *parts]), -32768, 32767).astype(np.int16)
    found = find_regions(sound, np.array(voiced, dtype=np.bool_), 0.03)
    assert all(0.0 <= start < end <= len(sound) / 16_000 + 0.01 for start, end in found)
    # What lies closer together than a pause would be one region.
    assert all(two[0] - one[1] >= 0.2 - 1e-9 for one, two in pairwise(found))


@given(st.lists(st.booleans(), max_size=60))
def test_runs_are_the_true_frames(flags: list[bool]) -> None:
    found = runs(np.array(flags, dtype=np.bool_), 1.0)
    rebuilt = [any(a <= n < b for a, b in found) for n in range(len(flags))]
    assert rebuilt == flags


def test_joining_never_shortens() -> None:
    assert join_close([(0.0, 5.0), (1.0, 2.0), (5.1, 6.0)], 0.2) == [(0.0, 6.0)]


def test_levels_are_in_decibels_over_one_step() -> None:
    loud = np.full(320, 1000, dtype=np.int16)
    assert levels_db(loud) == pytest.approx([60.0, 60.0], abs=0.01)
    assert levels_db(np.full(160, -32768, dtype=np.int16)) == pytest.approx([90.3], abs=0.01)
    assert levels_db(np.zeros(160, dtype=np.int16)).tolist() == [0.0]


def peak_megabytes(minutes: int) -> float:
    noise = np.random.default_rng(1).integers(-3000, 3000, minutes * 60 * 16_000).astype(np.int16)
    voiced: NDArray[np.bool_] = np.ones(len(noise) // 480, dtype=np.bool_)
    tracemalloc.start()
    try:
        find_regions(noise, voiced, 0.03)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_memory_hardly_grows_with_the_lesson() -> None:
    # An hour at the rate of what ten minutes take more than two is some tens of megabytes.
    assert peak_megabytes(10) - peak_megabytes(2) < 5.0

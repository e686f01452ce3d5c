"""Onsets are heard where they are: to a frame in made-up sound, to a few in real speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_node.demo import reading
from gpu_node.scorecard.onsets import FRAME_SECONDS, heard_onsets, levels, percentiles
from tests.gpu_node.making import RATE, Sound, in_a_room, theme, tone

LOUD, BED, QUIET = -20.0, -40.0, -120.0
Levels = NDArray[np.float64]


def track(seconds: float, *lines: tuple[float, float], under: float = QUIET) -> Levels:
    """Levels of a track on which lines are heard from one moment to another."""
    level = np.full(round(seconds / FRAME_SECONDS), under)
    for start, end in lines:
        level[round(start / FRAME_SECONDS) : round(end / FRAME_SECONDS)] = LOUD
    return level


def heard(level: Levels, moment: float) -> float | None:
    return heard_onsets(level, {"line": moment})["line"]


# --- Levels


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_a_tone_has_its_level_in_every_frame(rate: int) -> None:
    found = levels(tone(1000, 0.5, dbfs=-20, rate=rate), rate)
    assert len(found) == 50
    assert found == pytest.approx(np.full(50, -23.01), abs=0.01)


def test_silence_is_very_low_but_a_number() -> None:
    assert levels(np.zeros(1600), 16_000).tolist() == [-120.0] * 10


@pytest.mark.parametrize("count", [0, 159])
def test_less_than_a_frame_is_none(count: int) -> None:
    assert len(levels(np.zeros(count), 16_000)) == 0


# --- Onsets in made-up sound


@pytest.mark.parametrize("error", [-0.3, -0.05, 0.0, 0.05, 0.35])
@pytest.mark.parametrize("under", [QUIET, BED])
def test_an_onset_is_found_to_the_frame(under: float, error: float) -> None:
    found = heard(track(10.0, (4.0, 6.0), under=under), 4.0 + error)
    assert found == pytest.approx(4.0)


@settings(deadline=None)
@given(st.integers(50, 700), st.integers(20, 200), st.integers(-30, 30))
def test_wherever_it_is(start: int, length: int, error: int) -> None:
    level = track(10.0, (start / 100, (start + length) / 100))
    assert heard(level, (start + error) / 100) == pytest.approx(start / 100)


def test_the_nearest_of_two_is_taken() -> None:
    level = track(10.0, (3.8, 4.0), (4.1, 5.0))
    assert heard(level, 3.85) == pytest.approx(3.8)
    assert heard(level, 4.06) == pytest.approx(4.1)


def test_pauses_between_words_are_no_onsets() -> None:
    level = track(10.0, (4.0, 4.4), (4.44, 5.0))
    assert heard(level, 4.3) == pytest.approx(4.0)


def test_a_line_at_the_very_beginning_is_heard() -> None:
    assert heard(track(3.0, (0.0, 1.0)), 0.0) == 0.0


def test_each_line_has_its_own() -> None:
    level = track(10.0, (1.0, 2.0), (4.0, 5.0), (8.0, 9.0))
    found = heard_onsets(level, {"a": 1.02, "b": 3.9, "c": 8.1})
    assert found == pytest.approx({"a": 1.0, "b": 4.0, "c": 8.0})


@pytest.mark.parametrize("moment", [10.5, 1000.0])
def test_past_the_end_nothing_is_heard(moment: float) -> None:
    assert heard(track(10.0, (4.0, 6.0)), moment) is None


def test_in_the_middle_of_a_line_nothing_sets_in() -> None:
    assert heard(track(10.0, (1.0, 9.0)), 5.0) is None


def test_an_empty_track_has_no_onsets() -> None:
    assert heard(np.zeros(0), 0.0) is None
    assert heard_onsets(np.zeros(0), {}) == {}


# --- Onsets in real speech


@pytest.fixture(scope="module")
def bed() -> Sound:
    """Music that has stepped back: 18 dB down."""
    return theme() * 10 ** (-18 / 20)


@pytest.mark.parametrize("name", sorted(reading.TEXTS))
@pytest.mark.parametrize("over_music", [False, True])
def test_a_read_sentence_sets_in_when_it_does(bed: Sound, name: str, over_music: bool) -> None:
    clip = reading.clip(name)
    sound = in_a_room(np.concatenate([np.zeros(2 * RATE), clip.sound, np.zeros(RATE)]))
    if over_music:
        shared = min(len(sound), len(bed))
        sound[:shared] += bed[:shared]
    onset = 2.0 + clip.lead
    assert heard(levels(sound, RATE), onset + 0.1) == pytest.approx(onset, abs=0.05)


# --- Percentiles


def test_percentiles_are_of_sizes() -> None:
    assert percentiles([-0.3, 0.1, 0.2]) == pytest.approx((0.2, 0.29, 0.3))


def test_no_values_have_no_percentiles() -> None:
    assert percentiles([]) is None


@given(st.lists(st.floats(-10, 10), min_size=1))
def test_percentiles_ascend(values: list[float]) -> None:
    found = percentiles(values)
    assert found is not None
    assert 0 <= found[0] <= found[1] <= found[2] == max(map(abs, values))

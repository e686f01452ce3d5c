"""Outer silence goes, everything else stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chatterbox_service.ports import Samples
from chatterbox_service.sound.trimming import (
    FADE_SECONDS,
    LEAD_SECONDS,
    TAIL_SECONDS,
    audible,
    trimmed,
)
from tests.chatterbox_service.sound.making import RATE, noise, said, silence, tone

takes = arrays.arrays(
    np.float32, st.integers(0, 3000), elements=st.floats(-1, 1, width=32), fill=st.just(0.0)
)
LEAD, TAIL, FADE = (round(s * RATE) for s in (LEAD_SECONDS, TAIL_SECONDS, FADE_SECONDS))


@given(takes)
def test_only_the_edges_change(take: Samples) -> None:
    before = take.copy()
    done = trimmed(take, RATE)
    assert np.array_equal(take, before)
    assert done.dtype == np.float32
    bounds = audible(take)
    if bounds is None:
        assert len(done) == 0
        return
    first, last = max(0, bounds[0] - LEAD), min(len(take), bounds[1] + TAIL)
    fade = min(FADE, (last - first) // 2)
    assert len(done) == last - first
    assert np.array_equal(done[fade : len(done) - fade], take[first + fade : last - fade])
    assert np.all(np.abs(done) <= np.abs(take[first:last]))


@given(takes, st.floats(0.001, 1))
def test_what_goes_is_quiet(take: Samples, gain: float) -> None:
    bounds = audible(take)
    if bounds is None:
        assert np.abs(take).max(initial=0) < 1e-4
        return
    outside = np.concatenate([take[: bounds[0]], take[bounds[1] :]])
    peak = np.abs(take).max()
    assert np.abs(outside).max(initial=0) < max(1e-4, peak * 10 ** (-45 / 20) * 1.001)


@settings(deadline=None)
@given(st.floats(0, 1.5), st.floats(0, 1.5), st.floats(0, 1))
def test_it_does_not_matter_how_much_silence_there_was(
    before: float, after: float, pause: float
) -> None:
    inner = np.concatenate([tone(300, 0.3), silence(pause), tone(200, 0.2)])
    done = trimmed(np.concatenate([silence(before), inner, silence(after)]), RATE)
    assert len(inner) <= len(done) + 1 <= len(inner) + LEAD + TAIL + 1


def test_an_inner_pause_survives_exactly() -> None:
    one, other = tone(300, 0.3), tone(200, 0.2)
    take = np.concatenate([silence(0.5), one, silence(0.6), other, silence(0.8)])
    done = trimmed(take, RATE)
    # The tone's first sample is 0.
    start = len(silence(0.5)) + 1 - LEAD
    assert np.array_equal(done[FADE:-FADE], take[start + FADE : start + len(done) - FADE])
    quiet = np.flatnonzero(np.abs(done) > 0)
    assert int(np.diff(quiet).max()) - 1 == pytest.approx(round(0.6 * RATE), abs=2)


def test_a_quiet_consonant_stays() -> None:
    hiss = noise(0.12, level=0.01)
    take = np.concatenate([silence(0.3), hiss, tone(200, 0.5, level=0.8), hiss, silence(0.3)])
    done = trimmed(take, RATE)
    assert len(done) >= 2 * len(hiss) + round(0.5 * RATE)


def test_no_click_at_either_end() -> None:
    done = trimmed(tone(500, 0.4, level=0.9)[7:-5], RATE)
    assert done[0] == 0 and done[-1] == 0
    assert float(np.abs(np.diff(done)).max()) <= 0.9 * 2 * np.pi * 500 / RATE * 1.1


@pytest.mark.parametrize(
    "take",
    [
        silence(0),
        silence(1),
        noise(1, level=1e-5),
        np.full(100, np.nan, dtype=np.float32),
        np.full(100, np.inf, dtype=np.float32),
    ],
)
def test_a_silent_take_is_empty(take: Samples) -> None:
    assert len(trimmed(take, RATE)) == 0


def test_real_speech_loses_its_ends_only() -> None:
    speech, rate = said("Paths and ships.", "en")
    around = np.concatenate([silence(1, rate=rate), speech, silence(1, rate=rate)])
    done = trimmed(around, rate)
    assert len(done) <= len(speech) + rate * 0.1
    assert float(np.square(done).sum()) == pytest.approx(float(np.square(speech).sum()), rel=1e-3)

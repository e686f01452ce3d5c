"""Pieces in order, pauses to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.ports import Samples
from chatterbox_service.sound.joining import FADE_SECONDS, joined
from tests.chatterbox_service.sound.making import RATE, noise, tone

FADE = round(FADE_SECONDS * RATE)
parts = st.lists(st.tuples(st.integers(0, 2000), st.floats(0, 0.2)), max_size=6)


def made(plan: list[tuple[int, float]]) -> tuple[list[Samples], list[float]]:
    sounds = [noise(1, seed=at)[:count] for at, (count, _) in enumerate(plan)]
    return sounds, [pause for _, pause in plan]


@given(parts)
def test_every_sample_is_where_it_belongs(plan: list[tuple[int, float]]) -> None:
    sounds, pauses = made(plan)
    whole = joined(sounds, pauses, RATE)
    assert whole.dtype == np.float32
    at = 0
    for sound, pause in zip(sounds, pauses, strict=True):
        fade = min(FADE, len(sound) // 2)
        inner = slice(at + fade, at + len(sound) - fade)
        assert np.array_equal(whole[inner], sound[fade : len(sound) - fade])
        at += len(sound)
        gap = round(pause * RATE)
        assert not whole[at : at + gap].any()
        at += gap
    assert len(whole) == at


@given(parts)
def test_nothing_gets_louder_or_is_changed_in_place(plan: list[tuple[int, float]]) -> None:
    sounds, pauses = made(plan)
    before = [sound.copy() for sound in sounds]
    whole = joined(sounds, pauses, RATE)
    assert all(np.array_equal(a, b) for a, b in zip(sounds, before, strict=True))
    loudest = max((float(np.abs(sound).max(initial=0)) for sound in sounds), default=0.0)
    assert float(np.abs(whole).max(initial=0)) <= loudest


def test_one_part_stays_as_it_is() -> None:
    sound = tone(440, 0.5)
    assert np.array_equal(joined([sound], [0.0], RATE), sound)


def test_joins_do_not_click() -> None:
    loud = tone(500, 0.1, level=0.9) + np.float32(0.05)
    whole = joined([loud[3:-5], loud[9:-2]], [0.0, 0.0], RATE)
    step = 0.9 * 2 * np.pi * 500 / RATE
    assert float(np.abs(np.diff(whole)).max()) <= 1.2 * step


def test_loudness_stays() -> None:
    sound = noise(2)
    whole = joined([sound, sound], [0.3, 0.0], RATE)
    power = 2 * float(np.square(sound).sum())
    assert float(np.square(whole).sum()) == pytest.approx(power, rel=0.01)


def test_nothing_joined_is_nothing() -> None:
    assert len(joined([], [], RATE)) == 0


@pytest.mark.parametrize("pauses", [[], [0.1, 0.1], [-0.1]])
def test_pauses_that_make_no_sense(pauses: list[float]) -> None:
    with pytest.raises(ValueError, match="pause"):
        joined([tone(440, 0.1)], pauses, RATE)

"""Speech is told from what is none; clipping and level are what they are by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chatterbox_service.ports import Samples
from chatterbox_service.sound.measures import clipping, rms_db, speech_seconds
from tests.chatterbox_service.sound.making import RATE, noise, said, silence, tone

sounds = arrays.arrays(np.float32, st.integers(0, 4000), elements=st.floats(-1, 1, width=32))
SPEECH = [
    ("en", "Welcome to the first lesson of this course, where we learn to program."),
    ("ru", "Добро пожаловать на первый урок этого курса."),
    ("de", "Willkommen zur ersten Lektion dieses Kurses."),
    ("cmn", "欢迎来到第一课，我们学习编程。"),
]


@pytest.mark.parametrize("voice, text", SPEECH)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_speech_is_nearly_all_speech(voice: str, text: str, rate: int) -> None:
    samples, native = said(text, voice)
    found = speech_seconds(soxr.resample(samples, native, rate), rate)
    assert 0.9 <= found / (len(samples) / native) <= 1


@pytest.mark.parametrize("voice, text", SPEECH)
def test_how_loud_it_is_does_not_matter(voice: str, text: str) -> None:
    samples, rate = said(text, voice)
    quiet = (samples * np.float32(0.03)).astype(np.float32)
    assert speech_seconds(quiet, rate) == pytest.approx(speech_seconds(samples, rate), abs=0.1)


def test_a_little_noise_does_not_hide_speech() -> None:
    samples, rate = said(*reversed(SPEECH[0]))
    level = 10 ** ((rms_db(samples) - 20) / 20)
    noisy = samples + noise(len(samples) / rate + 1, rate=rate, level=level)[: len(samples)]
    assert speech_seconds(noisy.astype(np.float32), rate) > 0.8 * len(samples) / rate


def test_speech_among_silence_is_what_counts() -> None:
    samples, rate = said(*reversed(SPEECH[0]))
    around = np.concatenate([silence(5, rate=rate), samples, silence(5, rate=rate)])
    assert speech_seconds(around, rate) == pytest.approx(len(samples) / rate, abs=0.5)


def gated(samples: Samples, hertz: float) -> Samples:
    """On and off."""
    gate = np.arange(len(samples)) * hertz / RATE % 1 < 0.5
    return (samples * gate).astype(np.float32)


def swept() -> Samples:
    at = np.arange(5 * RATE) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 * at + 300 * at**2))).astype(np.float32)


def hum() -> Samples:
    harmonics = [tone(50 * k, 5, level=0.3 / k) for k in range(1, 30)]
    whole: Samples = np.sum(harmonics, axis=0)
    return whole


NO_SPEECH = {
    "silence": silence(5),
    "almost silence": noise(5, level=1e-4),
    "white noise": noise(5),
    "loud noise": noise(5, level=0.5),
    "beats of noise": gated(noise(5), 4),
    "hum": hum(),
    "sweep": swept(),
    "beeps": gated(tone(800, 5), 2),
    "offset": np.full(5 * RATE, 0.3, dtype=np.float32),
    "one click": np.concatenate([silence(2), np.ones(1, dtype=np.float32), silence(2)]),
    **{f"{hertz} Hz": tone(hertz, 5) for hertz in (50, 100, 220, 440, 1000, 3000, 8000)},
}


@pytest.mark.parametrize("what", NO_SPEECH)
def test_what_is_no_speech(what: str) -> None:
    assert speech_seconds(NO_SPEECH[what], RATE) < 0.1


@given(sounds)
def test_speech_is_no_longer_than_the_recording(samples: Samples) -> None:
    assert 0 <= speech_seconds(samples, RATE) <= len(samples) / RATE


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_half_a_minute_takes_little_time(rate: int) -> None:
    samples = noise(30, rate=rate)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        speech_seconds(samples, rate)
        took.append(time.perf_counter() - begun)
    # Measured: 8 to 16 ms. The rest is for a machine that does other things too.
    assert min(took) < 0.15


@given(arrays.arrays(np.float32, st.integers(0, 60), elements=st.sampled_from([0, 0.998, 1, -1])))
def test_clipping_counts_runs_at_full_scale(samples: Samples) -> None:
    marks = "".join("x" if abs(float(s)) >= 0.999 else " " for s in samples)
    runs = [run for run in marks.split() if len(run) >= 3]
    share = sum(map(len, runs)) / len(samples) if len(samples) else 0
    assert clipping(samples) == pytest.approx(share)


def test_a_clean_take_is_not_clipped_and_an_overdriven_one_is() -> None:
    samples, _ = said(*reversed(SPEECH[0]))
    assert clipping(samples / np.abs(samples).max()) < 0.0005
    assert clipping(np.clip(samples * 20, -1, 1)) > 0.1


def test_level() -> None:
    assert rms_db(tone(1000, 1, level=1.0)) == pytest.approx(-3.01, abs=0.01)
    assert rms_db(np.full(10, 0.1, dtype=np.float32)) == pytest.approx(-20, abs=0.01)
    assert rms_db(silence(1)) == rms_db(silence(0)) == -math.inf

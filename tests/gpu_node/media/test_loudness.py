"""Loudness as the standards measure it; one gain, a limiter, and AAC that moves nothing in time.

The signals are those of ITU-R BS.1770-4 and EBU Tech 3341 and 3342, some shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.dub import Mix
from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.media import ExtractedAudio, Loudness, MasteredAudio
from gpu_node.demo import music, reading
from gpu_node.media.loudness import gain_for, measure, parse_summary, render_aac
from gpu_node.media.mixing import HEADROOM_DB
from gpu_node.stages import mixdown
from tests.gpu_node.making import (
    RATE,
    Sound,
    decoded,
    ffmpeg,
    hum,
    save,
    stage_context,
    stereo,
    theme,
    tone,
)

AMPLE = 60.0
CEILING = -1.7
AAC_ADDS = 0.7
"""What the encoder may add to the peaks of ordinary sound, in dB."""
AAC_ADDS_TO_SQUARES = 3.5


def measured(folder: Path, sound: Sound) -> Loudness:
    return measure(save(folder / "sound.wav", sound, subtype="PCM_24"), timeout=AMPLE)


def loudness(folder: Path, sound: Sound) -> float:
    found = measured(folder, sound).integrated
    assert found is not None
    return found


# --- Measuring


@pytest.mark.parametrize("dbfs", [-18.0, -23.0, -33.0])
def test_a_tone_in_both_channels_is_as_loud_as_its_peak(tmp_path: Path, dbfs: float) -> None:
    assert loudness(tmp_path, stereo(tone(997, 3.0, dbfs=dbfs))) == pytest.approx(dbfs, abs=0.1)


def test_a_full_tone_in_one_channel_is_three_below(tmp_path: Path) -> None:
    one = np.stack([tone(997, 3.0, dbfs=0), np.zeros(3 * RATE)], axis=1)
    assert loudness(tmp_path, one) == pytest.approx(-3.01, abs=0.1)


def weighting(hertz: float) -> float:
    """The K weighting in dB, from the filter coefficients that the standard prints."""
    shelf = (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1.0, -1.69065929318241, 0.73248077421585],
    )
    high_pass = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    delay = np.exp(-2j * np.pi * hertz / RATE) ** np.arange(3)
    response = [np.dot(b, delay) / np.dot(a, delay) for b, a in (shelf, high_pass)]
    return float(20 * np.log10(abs(response[0] * response[1])))


@pytest.mark.parametrize("hertz", [40.0, 100.0, 997.0, 3_000.0, 10_000.0])
def test_every_frequency_counts_as_the_standard_says(tmp_path: Path, hertz: float) -> None:
    expected = -0.691 + weighting(hertz) - 20
    assert loudness(tmp_path, stereo(tone(hertz, 3.0, dbfs=-20))) == pytest.approx(
        expected, abs=0.1
    )


def test_quiet_stretches_are_gated(tmp_path: Path) -> None:
    parts = [tone(1000, 3.0, dbfs=-36), tone(1000, 9.0, dbfs=-23), tone(1000, 3.0, dbfs=-36)]
    assert loudness(tmp_path, stereo(np.concatenate(parts))) == pytest.approx(-23, abs=0.15)


def test_range(tmp_path: Path) -> None:
    parts = [tone(1000, 8.0, dbfs=-20), tone(1000, 8.0, dbfs=-30)]
    found = measured(tmp_path, stereo(np.concatenate(parts))).range
    assert found == pytest.approx(10, abs=1)


@pytest.mark.parametrize(("divisor", "degrees"), [(4, 0.0), (4, 45.0), (6, 60.0), (8, 67.5)])
def test_peaks_between_samples_are_seen(tmp_path: Path, divisor: int, degrees: float) -> None:
    # At a quarter of the rate and 45 degrees every sample lies 3 dB below the peak.
    sound = music.fade(tone(RATE / divisor, 1.0, dbfs=-6, phase=np.deg2rad(degrees)), 0.1, 0.1)
    found = measured(tmp_path, stereo(sound)).true_peak
    assert found == pytest.approx(-6, abs=0.3)


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    assert measured(tmp_path, np.zeros((RATE, 2))) == Loudness(integrated=None, true_peak=None)


@pytest.mark.parametrize("seconds", [0.01, 0.2])
def test_what_is_shorter_than_the_gate_has_a_peak_only(tmp_path: Path, seconds: float) -> None:
    found = measured(tmp_path, stereo(tone(1000, seconds, dbfs=-6)))
    assert found.integrated is None
    assert found.true_peak == pytest.approx(-6, abs=0.6)


def test_a_track_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.mka"
    quiet = ("-f", "lavfi", "-i", "sine=997:duration=2:sample_rate=48000,volume=0.1")
    ffmpeg(*hum(), *quiet, "-map", "0", "-map", "1", "-c:a", "pcm_s16le", path)
    first, second = (measure(path, timeout=AMPLE, audio=n).integrated for n in (0, 1))
    assert first is not None
    assert second is not None
    assert first > second + 10


@given(st.text())
def test_a_summary_that_says_nothing_measures_nothing(text: str) -> None:
    found = parse_summary(text)
    assert found == Loudness(integrated=None, true_peak=None) or "LUFS" in text or "dBFS" in text


@given(st.floats(-60, 0), st.floats(-30, -5))
def test_the_gain_is_what_is_missing(integrated: float, target: float) -> None:
    found = gain_for(Loudness(integrated=integrated, true_peak=0.0), target)
    assert integrated + found == pytest.approx(target)


def test_silence_is_not_made_louder() -> None:
    assert gain_for(Loudness(integrated=None, true_peak=None), -16.0) == 0.0


# --- Rendering


def speech() -> Sound:
    """Two sentences read by a person, five seconds and a half."""
    return np.concatenate([reading.clip("0880").sound, reading.clip("0930").sound])


def tune() -> Sound:
    return theme()[: 5 * RATE]


def square_bursts(dbfs: float = -12.0) -> Sound:
    """The worst a limiter can meet: 200 ms of square wave twice a second."""
    clock = np.arange(3 * RATE) / RATE
    square = np.where(np.sin(2 * np.pi * 220 * clock) > 0, 1.0, -1.0)
    bursts: Sound = 10 ** (dbfs / 20) * square * (clock * 2 % 1 < 0.2)
    return bursts


def between_samples() -> Sound:
    """Bursts whose peaks all lie between samples, 3 dB above them."""
    clock = np.arange(3 * RATE) / RATE
    return tone(12_000, 3.0, dbfs=-9, phase=np.pi / 4) * (clock * 2 % 1 < 0.2)


def rendered(folder: Path, sound: Sound, gain: float, bit_rate: str = "192k") -> Path:
    target = folder / "sound.m4a"
    render_aac(
        save(folder / "source.wav", stereo(sound), subtype="PCM_24"),
        target,
        gain_db=gain,
        ceiling_dbtp=CEILING,
        bit_rate=bit_rate,
        timeout=AMPLE,
    )
    return target


def shift(before: Sound, after: Sound) -> int:
    """By how many samples `after` comes later, where the two are most alike."""
    size = 1 << (len(before) + len(after)).bit_length()
    spectra = np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size))
    best = int(np.argmax(np.fft.irfft(spectra, size)))
    return best if best < size // 2 else best - size


SOUNDS: dict[str, tuple[Callable[[], Sound], float]] = {
    "speech": (speech, AAC_ADDS),
    "music": (tune, AAC_ADDS),
    "peaks between samples": (between_samples, AAC_ADDS),
    "square bursts": (square_bursts, AAC_ADDS_TO_SQUARES),
    "quiet speech": (lambda: speech() * 0.1, AAC_ADDS),
}


@pytest.mark.parametrize("gain", [0.0, 20.0])
@pytest.mark.parametrize(("make", "added"), SOUNDS.values(), ids=SOUNDS)
def test_peaks_stay_under_the_ceiling_and_nothing_moves(
    tmp_path: Path, make: Callable[[], Sound], added: float, gain: float
) -> None:
    sound = make()
    target = rendered(tmp_path, sound, gain)
    peak = measure(target, timeout=AMPLE).true_peak
    assert peak is not None
    assert peak <= CEILING + added
    heard = decoded(target)[:, 0]
    assert shift(sound, heard) == 0
    # The last AAC frame is filled up; nothing is cut off.
    assert 0 <= len(heard) - len(sound) <= 1024


def test_the_gain_is_constant(tmp_path: Path) -> None:
    steps = [tone(500, 1.0, dbfs=level) for level in (-40, -20, -60, -14, -30)]
    heard = decoded(rendered(tmp_path, np.concatenate(steps), 9.0))[:, 0]
    for number, sent in enumerate(steps):
        middle = slice(RATE // 4, RATE * 3 // 4)
        got = heard[number * RATE : (number + 1) * RATE][middle]
        change = 10 * np.log10(np.mean(got**2) / np.mean(sent[middle] ** 2))
        assert change == pytest.approx(9.0, abs=0.1)


def test_the_same_sound_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (rendered(tmp_path, speech(), 6.0).read_bytes() for _ in range(2))
    assert one == two


# --- Mastering: gain, limiter, encoder and measure together


def mastered(folder: Path, sound: Sound) -> MasteredAudio:
    with stage_context(folder) as ctx:
        path = ctx.folder / "mix.wav"
        save(path, stereo(sound) * 10 ** (-HEADROOM_DB / 20), subtype="PCM_24")
        mix = ctx.keep(path)
        audio = ExtractedAudio(full=mix, speech=mix, duration=len(sound) / RATE, track=1)
        made = mixdown.master(
            ctx, mixdown.MasterSettings(), Mix(audio=mix, voice_gain_db=0.0), audio
        )
        assert measure(ctx.path(made.audio), timeout=AMPLE) == made.loudness
        return made


def clicks_over_a_whisper() -> Sound:
    """50 dB between the loudest and the rest: no gain suits both without the limiter."""
    sound = np.concatenate([speech(), np.zeros(RATE)]) * 10 ** (-30 / 20)
    sound[::24_000] = 0.9
    return sound


def white_noise() -> Sound:
    return np.clip(np.random.default_rng(1).normal(0, 0.3, 3 * RATE), -0.99, 0.99)


PROGRAMMES: dict[str, Callable[[], Sound]] = {
    "speech": speech,
    "music": tune,
    "a tone": lambda: tone(1000, 3.0),
    "speech clipped": lambda: np.clip(speech() * 30, -0.9, 0.9),
    "white noise": white_noise,
    "square bursts": lambda: square_bursts(-0.1),
    "a whisper": lambda: speech() * 10 ** (-30 / 20),
    "clicks over a whisper": clicks_over_a_whisper,
}


@pytest.mark.parametrize("make", PROGRAMMES.values(), ids=PROGRAMMES)
def test_any_programme_comes_out_at_its_loudness(tmp_path: Path, make: Callable[[], Sound]) -> None:
    found = mastered(tmp_path, make()).loudness
    assert found.integrated == pytest.approx(-16.0, abs=0.5)
    assert found.true_peak is not None
    assert found.true_peak <= -1.0


def clicks() -> Sound:
    """Single samples in a digital silence: a limiter takes away all that a gain can add."""
    sound = np.zeros(3 * RATE)
    sound[RATE // 4 :: RATE // 2] = 0.9
    return sound


def ticks() -> Sound:
    """Forty samples of noise twice a second: the encoder lifts them over the limiter's ceiling."""
    sound, noise = np.zeros(3 * RATE), np.random.default_rng(1).uniform(-0.9, 0.9, 40)
    for start in range(RATE // 4, len(sound), RATE // 2):
        sound[start : start + len(noise)] = noise
    return sound


@dataclass
class Attempts:
    """Gain and ceiling of each time the encoder was run."""

    levels: list[tuple[float, float]] = field(default_factory=list)

    def render(self, source: Path, target: Path, **how: Any) -> None:
        self.levels.append((how["gain_db"], how["ceiling_dbtp"]))
        render_aac(source, target, **how)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    attempts = Attempts()
    monkeypatch.setattr("gpu_node.media.loudness.render_aac", attempts.render)
    return attempts


def test_what_is_reported_is_what_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: Attempts
) -> None:
    monkeypatch.setattr(mixdown, "_ATTEMPTS", 1)
    made = mastered(tmp_path, clicks_over_a_whisper())
    assert attempts.levels == [(made.gain_db, made.ceiling_dbtp)]
    assert made.loudness.integrated != pytest.approx(-16.0, abs=0.5)


@pytest.mark.parametrize("make", [clicks, ticks])
def test_a_programme_of_nothing_but_clicks_is_kept_under_its_peak(
    tmp_path: Path, attempts: Attempts, make: Callable[[], Sound]
) -> None:
    made = mastered(tmp_path, make())
    assert made.loudness.true_peak is not None
    assert made.loudness.true_peak <= -1.0
    assert (made.gain_db, made.ceiling_dbtp) == attempts.levels[-1]
    assert len(attempts.levels) == len(set(attempts.levels)) > 1
    gains = [gain for gain, _ in attempts.levels]
    assert max(gains) <= gains[1] + 6.0


def test_silence_stays_silence(tmp_path: Path) -> None:
    made = mastered(tmp_path, np.zeros(RATE))
    assert made.loudness == Loudness(integrated=None, true_peak=None)
    assert made.gain_db == 0.0


def test_what_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DubfleetError, match="FFmpeg failed"):
        measure(tmp_path / "nothing.wav", timeout=AMPLE)

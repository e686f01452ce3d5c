"""A short original theme and a room tone, synthesised note by note: nothing to license or fetch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]
"""Samples at RATE: one column for mono, two for stereo."""

RATE = 48_000
BEAT = 60 / 96
THEME_SECONDS = 16 * BEAT
CODA_SECONDS = 8 * BEAT

_PEAK_DBFS = -12.0
_TONE_SEED = 20_111


@dataclass(frozen=True, slots=True)
class _Bar:
    """Four beats: MIDI notes of the chord, and a melody in half beats (0 is a rest)."""

    bass: int
    chord: tuple[int, ...]
    melody: tuple[int, ...]


# Rests, leaps and off-beats on purpose: plucks come at about the rate of syllables, and a voice
# activity detector that only looks for energy that comes and goes will take them for speech.
_THEME = (
    _Bar(38, (57, 62, 66, 69), (78, 0, 81, 78, 0, 76, 74, 0)),
    _Bar(35, (54, 59, 62, 66), (73, 74, 0, 78, 0, 74, 71, 0)),
    _Bar(43, (55, 59, 62, 66), (71, 0, 74, 76, 78, 0, 79, 78)),
    _Bar(45, (57, 61, 64, 67), (76, 0, 73, 0, 69, 71, 73, 0)),
)
_CODA = (
    _Bar(43, (55, 59, 62, 66), (79, 0, 78, 76, 0, 74, 76, 0)),
    _Bar(38, (57, 62, 66, 69), (74, 0, 69, 0, 78, 0, 0, 0)),
)


def theme() -> Sound:
    """The opening: four bars, THEME_SECONDS long."""
    return _perform(_THEME, fade_out=1.6)


def coda() -> Sound:
    """The closing: two bars home, CODA_SECONDS long."""
    return _perform(_CODA, fade_out=2.2)


def room_tone(seconds: float, level_dbfs: float) -> Sound:
    """Stereo pink noise. Its spectrum is built whole, so the block repeats without a seam."""
    size = 2**20
    rng = np.random.default_rng(_TONE_SEED)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    # Below 40 Hz pink noise is only rumble that eats the level.
    shape = np.where(frequencies < 40, 0.0, 1 / np.sqrt(np.maximum(frequencies, 1.0)))
    phases = rng.uniform(0, 2 * np.pi, (2, frequencies.size))
    block = np.fft.irfft(shape * np.exp(1j * phases), size)
    block *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(block**2))
    tone: Sound = np.resize(block.T, (round(seconds * RATE), 2))
    return tone


def fade(sound: Sound, fade_in: float, fade_out: float) -> Sound:
    """The same sound with raised-cosine ends; it starts and stops at exactly nothing."""
    shaped = sound.copy()
    for seconds, end in ((fade_in, slice(None)), (fade_out, slice(None, None, -1))):
        count = min(len(shaped), round(seconds * RATE))
        ramp = (1 - np.cos(np.pi * np.arange(count) / max(1, count))) / 2
        # A reversed view: the fade-out is the fade-in of the sound played backwards.
        view = shaped[end][:count]
        view *= ramp if shaped.ndim == 1 else ramp[:, None]
    return shaped


def _perform(bars: Sequence[_Bar], fade_out: float) -> Sound:
    stage = np.zeros((round(len(bars) * 4 * BEAT * RATE), 2))
    for number, bar in enumerate(bars):
        at = number * 4 * BEAT
        for index, note in enumerate(bar.chord):
            _place(stage, at, _pad(note), pan=(0.2, 0.8, 0.35, 0.65)[index % 4], gain=0.07)
        for beat, gain in ((0.0, 0.34), (2.5, 0.2)):
            _place(stage, at + beat * BEAT, _pluck(bar.bass, 2.2, bright=0.5), pan=0.5, gain=gain)
        _play_melody(stage, at, bar.melody)
    stage = fade(_echo(stage), 0.05, fade_out)
    gain = 10 ** (_PEAK_DBFS / 20) / float(np.max(np.abs(stage)))
    return stage * gain


def _play_melody(stage: Sound, at: float, melody: Sequence[int]) -> None:
    accents = (1.0, 0.55, 0.8, 0.65, 0.9, 0.6, 0.75, 0.5)
    for step, note in enumerate(melody):
        if note:
            # Off-beats a little late, as fingers are.
            start = at + step * BEAT / 2 + (0.012 if step % 2 else 0.0)
            pan = 0.5 + (note - 74) * 0.03
            _place(stage, start, _pluck(note, 1.6, bright=1.0), pan=pan, gain=0.3 * accents[step])


def _place(stage: Sound, at: float, sound: Sound, *, pan: float, gain: float) -> None:
    """Mix a mono sound in at equal power; what runs past the end is dropped."""
    first = round(at * RATE)
    room = stage[first : first + len(sound)]
    angle = np.clip(pan, 0.0, 1.0) * np.pi / 2
    room += gain * sound[: len(room), None] * np.array([np.cos(angle), np.sin(angle)])


def _pluck(note: int, seconds: float, bright: float) -> Sound:
    """A string: each partial dies sooner than the one below it and is a touch sharp."""
    clock = np.arange(round(seconds * RATE)) / RATE
    pitch = _hertz(note)
    string = np.zeros_like(clock)
    for partial in range(1, 9):
        hertz = pitch * partial * np.sqrt(1 + 0.0004 * partial**2)
        loudness = bright ** (partial - 1) / partial**1.3
        decay = 2.0 + 1.5 * partial + pitch / 400
        string += loudness * np.sin(2 * np.pi * hertz * clock) * np.exp(-decay * clock)
    return fade(string, 0.004, 0.2)


def _pad(note: int) -> Sound:
    """A soft held note: three voices a few cents apart, swelling over the bar."""
    clock = np.arange(round((4 * BEAT + 0.5) * RATE)) / RATE
    held = np.zeros_like(clock)
    for cents in (-5.0, 0.0, 6.0):
        hertz = _hertz(note) * 2 ** (cents / 1200)
        for partial in (1, 2, 3, 4):
            held += np.sin(2 * np.pi * hertz * partial * clock + cents) / partial**2.2
    swell = 0.8 + 0.2 * np.sin(2 * np.pi * 0.4 * clock)
    return fade(held / 3 * swell, 0.5, 0.6)


def _echo(dry: Sound) -> Sound:
    """A few quiet repeats that change sides: space enough without a reverb."""
    wet = dry.copy()
    for repeat, gain in enumerate((0.26, 0.14, 0.07), start=1):
        delay = round(repeat * 0.75 * BEAT * RATE)
        source = dry[:-delay]
        wet[delay:] += gain * (source[:, ::-1] if repeat % 2 else source)
    return wet


def _hertz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))

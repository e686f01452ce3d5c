"""What a recording is like: how loud, how clipped, how much of it is speech."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chatterbox_service.ports import Samples

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

_FULL = 0.999
_RUN = 3
"""One sample at full scale is a peak; three in a row are a peak that was cut off."""

_LEAST_RATE = 8_000
"""Hz that are left when samples are averaged to save time: enough for the bands below."""
_FRAME_SECONDS = 0.032
_HOP_SECONDS = 0.016
_EDGES = (
    100,
    200,
    300,
    400,
    510,
    630,
    770,
    920,
    1080,
    1270,
    1480,
    1720,
    2000,
    2320,
    2700,
    3150,
    3700,
)
"""Hz. The critical bands of hearing (Zwicker, 1961) where speech is strongest."""
_SILENT_DB = -60.0
_LOUD_DB = -35.0
"""Below the loudest frame."""
_BAND_FLOOR_DB = -50.0
"""Below the loudest frame: what is weaker in a band does not count as change."""
_LEAST_CHANGE_DB = 3.5
"""Standard deviation of a band's level within half a second, mean of all bands. Measured: readers
and eSpeak 5.9 and more, with noise at 10 dB 3.9; white and pink noise at most 2.6, hum 1.5."""
_CHANGE_SECONDS = 0.5
_MOST_FLAT = 0.3
"""Geometric over arithmetic mean of the spectrum. Measured: half of a reader's frames are under
0.05, with noise at 10 dB under 0.25; white noise is 0.5 and more."""
_FEWEST_BANDS = 4
"""Within 30 dB of the strongest: a pure tone fills one or two, a vowel many more."""
_BAND_RANGE_DB = 30.0
_LEAST_VOICED = 1
"""Frames on either side that have to be voiced too: the edge of a tone is not, a vowel is."""
_REACH_SECONDS = 0.2
"""Consonants and stops around what is voiced belong to speech."""


def rms_db(samples: Samples) -> float:
    """Decibels below full scale; minus infinity for silence and for no samples."""
    if not len(samples):
        return -math.inf
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * math.log10(power) if power > 0 else -math.inf


def clipping(samples: Samples) -> float:
    """Share of the samples, 0 to 1, that stand at full scale with at least two neighbours."""
    if not len(samples):
        return 0.0
    full = np.abs(samples) >= _FULL
    edges = np.flatnonzero(np.diff(np.concatenate(([False], full, [False])).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _RUN].sum() / len(samples))


def speech_seconds(samples: Samples, rate: int) -> float:
    """An estimate of how much of it is speech. `rate` in Hz, at least 8000.

    Speech is where frames are voiced (neither flat as noise nor of a few bands as a tone) while the
    bands' levels change from moment to moment, and 0.2 s around. Silence, steady noise, hum, tones
    and beats of noise come to 0; music that changes like a voice does not. No model: it tells a
    voice from a mistake, not words from babble.
    """
    if len(samples) < 2 * _FRAME_SECONDS * rate:
        return 0.0
    bands, flatness, level = _frames(*_thinned(samples, rate))
    loudest = level.max()
    if loudest < _SILENT_DB:
        return 0.0
    floor = 10 ** ((loudest + _BAND_FLOOR_DB) / 10)
    decibels = 10 * np.log10(bands + floor)
    spread = decibels.max(axis=1, keepdims=True) - decibels < _BAND_RANGE_DB
    voiced = (
        (level > max(_SILENT_DB, loudest + _LOUD_DB))
        & (flatness < _MOST_FLAT)
        & (spread.sum(axis=1) >= _FEWEST_BANDS)
        & (_change(decibels, round(_CHANGE_SECONDS / _HOP_SECONDS)) > _LEAST_CHANGE_DB)
    )
    vowels = _widened(~_widened(~voiced, _LEAST_VOICED), _LEAST_VOICED)
    speech = _widened(vowels, round(_REACH_SECONDS / _HOP_SECONDS))
    return float(speech.mean()) * len(samples) / rate


def _thinned(samples: Samples, rate: int) -> tuple[Samples, float]:
    """At a lower rate, by averaging neighbours: quick, and what it aliases is noise here."""
    step = max(1, rate // _LEAST_RATE)
    whole = len(samples) // step * step
    averaged = samples[:whole].reshape(-1, step).mean(axis=1, dtype=np.float32)
    return averaged, rate / step


def _frames(samples: Samples, rate: float) -> tuple[Numbers, Numbers, Numbers]:
    """Power by band, shape (frames, bands); flatness and level in dB, shape (frames,)."""
    # A multiple of 32: a transform of prime length takes ten times as long.
    size, hop = round(_FRAME_SECONDS * rate / 32) * 32, round(_HOP_SECONDS * rate)
    window = np.hanning(size).astype(np.float32)
    framed = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * window
    spectrum = np.fft.rfft(framed, axis=1)
    # Scaled so that the powers of all bins add up to the mean square of the samples.
    power = (spectrum.real**2 + spectrum.imag**2) * (2 / (size * float(np.square(window).sum())))
    bounds = np.searchsorted(np.fft.rfftfreq(size, 1 / rate), _EDGES)
    within = power[:, bounds[0] : bounds[-1]] + 1e-15
    bands = np.add.reduceat(within, bounds[:-1] - bounds[0], axis=1)
    mean = within.mean(axis=1)
    flatness = np.exp(np.log(within).mean(axis=1)) / mean
    return bands, flatness, 10 * np.log10(bands.sum(axis=1))


def _change(decibels: Numbers, width: int) -> Numbers:
    """Standard deviation over `width` frames around each, mean of the bands; shape (frames,)."""
    count = len(decibels)
    around = np.arange(count)
    first, last = np.maximum(0, around - width // 2), np.minimum(count, around + width // 2 + 1)
    length = (last - first)[:, np.newaxis]

    def mean(values: Numbers) -> Numbers:
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        averaged: Numbers = (sums[last] - sums[first]) / length
        return averaged

    variance = mean(decibels**2) - mean(decibels) ** 2
    changed: Numbers = np.sqrt(np.maximum(0, variance)).mean(axis=1)
    return changed


def _widened(flags: Flags, reach: int) -> Flags:
    """True within `reach` frames of what is true."""
    counts = np.concatenate(([0], np.cumsum(flags)))
    around = np.arange(len(flags))
    first, last = np.maximum(0, around - reach), np.minimum(len(flags), around + reach + 1)
    wide: Flags = counts[last] > counts[first]
    return wide

"""Where somebody speaks: a voice detector's opinion, less the music, as exact stretches of time.

WebRTC's detector (which PocketSphinx brings) takes any sustained sound for a voice: it marks 95 %
of a guitar piece. What tells music from speech is that a note keeps its harmonics in place for
tens of milliseconds while a voice glides. Measured on sixteen read sentences and ten pieces of
synthetic music and noise: the fine structure of spectra 100 ms apart correlates at 0.00-0.13 for
speech, also over a bed 15 dB below it, and at 0.29-1.0 for anything with a pitch that is held. The
same idea is in Seyerlehner et al., "Automatic music detection in television productions", 2007.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
Samples = NDArray[np.int16]
Flags = NDArray[np.bool_]

_WINDOW = 1024
_HOP = 320
_LAG_FRAMES = 5
"""100 ms: longer than a glide stays put, shorter than a note."""
_LOW_HZ, _HIGH_HZ = 150.0, 3500.0
_ENVELOPE_BINS = 15
_HELD_CORRELATION = 0.4
_MUSIC_SHARE = 0.5
_MUSIC_WINDOW_SECONDS = 1.0
_BLOCK_FRAMES = 3000

_LOUDNESS_FRAME = 160
_LEVEL_SECONDS = _LOUDNESS_FRAME / SAMPLE_RATE
_JOIN_GAP_SECONDS = 0.25
_SHORTEST_SECONDS = 0.15
_ONSET_RISE_DB = 25.0
_REACH_SECONDS = 0.2
_PAUSE_SECONDS = 0.2
"""Pauses inside read sentences were at most 0.15 s, those between sentences at least 0.25 s."""
_FAINT_DB = 20.0

Region = tuple[float, float]
"""Start and end in seconds."""


def find_regions(samples: Samples, voiced: Flags, frame_seconds: float) -> tuple[Region, ...]:
    """Stretches of speech, trimmed to what can be heard.

    `voiced` is the detector's opinion of each frame of `frame_seconds`.
    """
    levels = levels_db(samples)
    music = _resampled(music_flags(samples), _HOP / SAMPLE_RATE, len(levels), _LEVEL_SECONDS)
    voiced = voiced & ~_resampled(music, _LEVEL_SECONDS, len(voiced), frame_seconds)
    # Trimming looks a little past a region's ends, but must not find the music there.
    levels = np.where(music, 0.0, levels)
    found = join_close(runs(voiced, frame_seconds), _JOIN_GAP_SECONDS)
    parts = sorted(part for region in found for part in audible_parts(region, levels))
    # Each region reaches a little past its ends, so two neighbours may have found the same sound.
    return tuple(_without_faint(join_close(parts, _PAUSE_SECONDS), levels))


def _resampled(flags: Flags, step: float, count: int, new_step: float) -> Flags:
    """The same flags at another step; what lies past the last is false."""
    if not len(flags):
        return np.zeros(count, dtype=np.bool_)
    index = ((np.arange(count) + 0.5) * new_step / step).astype(np.int64)
    return flags[np.minimum(index, len(flags) - 1)]


def runs(flags: Flags, frame_seconds: float) -> list[Region]:
    """The stretches of consecutive true frames, in seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [
        (float(a * frame_seconds), float(b * frame_seconds))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def join_close(regions: Sequence[Region], gap: float) -> list[Region]:
    """Join neighbours that are less than `gap` seconds apart."""
    joined: list[Region] = []
    for start, end in regions:
        if joined and start - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def levels_db(samples: Samples) -> NDArray[np.float64]:
    """The level of each 10 ms, in dB relative to one quantisation step."""
    whole = len(samples) // _LOUDNESS_FRAME * _LOUDNESS_FRAME
    frames = samples[:whole].reshape(-1, _LOUDNESS_FRAME)
    # einsum converts a little at a time: an hour as floats would be half a gigabyte.
    energy: NDArray[np.float64] = np.einsum("ij,ij->i", frames, frames, dtype=np.float64)
    return 10 * np.log10(energy / _LOUDNESS_FRAME + 1.0)


def audible_parts(region: Region, levels: NDArray[np.float64]) -> list[Region]:
    """What can be heard in a region and a little past its ends, divided at its pauses.

    The threshold lies above the quietest part of the surroundings and below the region's own loud
    part, so that neither room tone nor a soft voice moves it.
    """
    first = max(0, round((region[0] - _REACH_SECONDS) / _LEVEL_SECONDS))
    last = min(len(levels), round((region[1] + _REACH_SECONDS) / _LEVEL_SECONDS))
    around = levels[first:last]
    sounding = around[around > 0]
    if not len(sounding):
        return []
    # Digital silence, and what was music, say nothing about how quiet the room is.
    floor, loud = np.percentile(sounding, [5, 95])
    above = around > min(floor + _ONSET_RISE_DB, (floor + loud) / 2)
    # Two frames in a row: a click is not an onset.
    heard = [(a, b) for a, b in runs(above, _LEVEL_SECONDS) if b - a > 1.5 * _LEVEL_SECONDS]
    start = first * _LEVEL_SECONDS
    return [
        (start + a, start + b)
        for a, b in join_close(heard, _PAUSE_SECONDS)
        if b - a >= _SHORTEST_SECONDS
    ]


def _without_faint(regions: list[Region], levels: NDArray[np.float64]) -> list[Region]:
    """Without what is far below the others: the tail of a chord, a neighbour's television."""
    if not regions:
        return []
    loud = [
        float(np.percentile(levels[round(a / _LEVEL_SECONDS) : round(b / _LEVEL_SECONDS)], 95))
        for a, b in regions
    ]
    usual = float(np.median(loud))
    return [r for r, level in zip(regions, loud, strict=True) if level > usual - _FAINT_DB]


def music_flags(samples: Samples) -> Flags:
    """For each 20 ms: whether held notes rule the second around it."""
    held = np.concatenate([_held_in(block) for block in _blocks(samples)] or [np.zeros(0)])
    if not len(held):
        return np.zeros(0, dtype=np.bool_)
    width = max(1, round(_MUSIC_WINDOW_SECONDS * SAMPLE_RATE / _HOP))
    kernel = np.ones(min(width, len(held)))
    share = np.convolve(held, kernel, "same") / np.convolve(np.ones(len(held)), kernel, "same")
    flags: Flags = share > _MUSIC_SHARE
    return flags


def _blocks(samples: Samples) -> list[Samples]:
    """Overlapping pieces, so that an hour of lesson needs the memory of a minute."""
    step = _BLOCK_FRAMES * _HOP
    reach = _WINDOW + _LAG_FRAMES * _HOP
    return [samples[at : at + step + reach] for at in range(0, max(1, len(samples) - reach), step)]


def _held_in(samples: Samples) -> NDArray[np.float64]:
    if len(samples) < _WINDOW + (_LAG_FRAMES + 1) * _HOP:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(frames.astype(np.float32) * window, axis=1)).astype(np.float32)
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    band = spectrum[:, (bins > _LOW_HZ) & (bins < _HIGH_HZ)]
    fine = _fine_structure(np.log(band + 1.0))
    correlation = (fine[:-_LAG_FRAMES] * fine[_LAG_FRAMES:]).mean(axis=1)
    held: NDArray[np.float64] = (correlation > _HELD_CORRELATION).astype(np.float64)
    return held[:_BLOCK_FRAMES]


def _fine_structure(log_band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each spectrum less its envelope, at zero mean and unit variance: harmonics only."""
    sums = np.cumsum(log_band, axis=1, dtype=np.float64)
    width = 2 * _ENVELOPE_BINS + 1
    smooth = np.empty_like(log_band)
    inner = (sums[:, width:] - sums[:, :-width]) / width
    smooth[:, _ENVELOPE_BINS + 1 : -_ENVELOPE_BINS] = inner
    smooth[:, : _ENVELOPE_BINS + 1] = inner[:, :1]
    smooth[:, -_ENVELOPE_BINS:] = inner[:, -1:]
    fine = log_band - smooth
    fine -= fine.mean(axis=1, keepdims=True)
    fine /= fine.std(axis=1, keepdims=True) + 1e-6
    return fine

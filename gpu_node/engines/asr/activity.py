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
_JOIN_GAP_SECONDS = 0.25
_SHORTEST_SECONDS = 0.15
_ONSET_RISE_DB = 15.0
_REACH_SECONDS = 0.2

Region = tuple[float, float]
"""Start and end in seconds."""


def find_regions(samples: Samples, voiced: Flags, frame_seconds: float) -> tuple[Region, ...]:
    """Stretches of speech, trimmed to what can be heard.

    `voiced` is the detector's opinion of each frame of `frame_seconds`.
    """
    held = music_flags(samples)
    hop_seconds = _HOP / SAMPLE_RATE
    times = (np.arange(len(voiced)) + 0.5) * frame_seconds
    if len(held):
        nearest = np.clip((times / hop_seconds).astype(np.int64), 0, len(held) - 1)
        voiced = voiced & ~held[nearest]
    levels = levels_db(samples)
    found = join_close(runs(voiced, frame_seconds), _JOIN_GAP_SECONDS)
    exact = (trim(region, levels) for region in found)
    return tuple(r for r in exact if r is not None and r[1] - r[0] >= _SHORTEST_SECONDS)


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
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def levels_db(samples: Samples) -> NDArray[np.float64]:
    """The level of each 10 ms, in dB relative to one quantisation step."""
    whole = len(samples) // _LOUDNESS_FRAME * _LOUDNESS_FRAME
    frames = samples[:whole].reshape(-1, _LOUDNESS_FRAME).astype(np.float32)
    power: NDArray[np.float64] = (frames * frames).mean(axis=1, dtype=np.float64)
    return 10 * np.log10(power + 1.0)


def trim(region: Region, levels: NDArray[np.float64]) -> Region | None:
    """Move a region's ends to where its sound begins and ends, looking a little past them.

    The threshold lies above the quietest tenth of the surroundings and below the region's own loud
    part, so that neither room tone nor a soft voice moves it. None if nothing is above it.
    """
    frame = _LOUDNESS_FRAME / SAMPLE_RATE
    first = max(0, round((region[0] - _REACH_SECONDS) / frame))
    last = min(len(levels), round((region[1] + _REACH_SECONDS) / frame))
    around = levels[first:last]
    if not len(around):
        return None
    floor, loud = np.percentile(around, [5, 95])
    threshold = min(floor + _ONSET_RISE_DB, (floor + loud) / 2)
    # Two frames in a row: a click is not an onset.
    above = around > threshold
    sustained = np.flatnonzero(above[:-1] & above[1:])
    if not len(sustained):
        return None
    return (first + int(sustained[0])) * frame, (first + int(sustained[-1]) + 2) * frame


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

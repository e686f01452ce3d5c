"""Voice over bed: the original steps back where somebody speaks, and is untouched elsewhere.

The gain follows the timeline, not the signal: we know when lines begin and end, so the bed can be
down before the first syllable, and does not pump with every word as a side-chain compressor does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_node.media import wav

HEADROOM_DB = 12.0
"""The mix is written this much lower, so that its integer samples cannot clip; mastering measures
what it gets and brings it up again."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Ducking:
    """How the bed steps back: decibels down, and seconds to get there and back."""

    depth_db: float = 18.0
    attack: float = 0.12
    release: float = 0.25
    hold: float = 0.5
    """Shorter pauses are not worth coming back for."""


@dataclass(frozen=True, slots=True)
class GainCurve:
    """A gain in dB, linear between `times` (seconds, ascending) and constant outside."""

    times: NDArray[np.float64]
    decibels: NDArray[np.float64]

    def at(self, first: int, count: int) -> wav.Samples:
        """The factor for each of `count` samples from sample `first` on."""
        if not len(self.times):
            return np.ones(count, dtype=np.float32)
        clock = np.arange(first, first + count) / wav.SAMPLE_RATE
        return np.power(10.0, np.interp(clock, self.times, self.decibels) / 20).astype(np.float32)


def duck_curve(intervals: Sequence[Interval], ducking: Ducking) -> GainCurve:
    """The bed's gain when it has to be down during all of `intervals`."""
    times: list[float] = []
    decibels: list[float] = []
    for start, end in merged(intervals, ducking.attack + ducking.release + ducking.hold):
        times += [start - ducking.attack, start, end, end + ducking.release]
        decibels += [0.0, -ducking.depth_db, -ducking.depth_db, 0.0]
    return GainCurve(np.array(times), np.array(decibels))


def merged(intervals: Sequence[Interval], gap: float) -> list[Interval]:
    """The union of intervals, sorted, with gaps of up to `gap` seconds filled."""
    union: list[Interval] = []
    for start, end in sorted(intervals):
        if union and start - union[-1][1] <= gap:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union


def mix(bed: Path, voice: Path, target: Path, *, curve: GainCurve, voice_gain_db: float) -> None:
    """Write (bed × curve + voice) less HEADROOM_DB, as long as the voice: 24-bit stereo."""
    factor = np.float32(10 ** (voice_gain_db / 20))
    silence = np.zeros((0, 2), dtype=np.float32)
    position = 0
    with wav.writer(target, channels=2, subtype="PCM_24") as out:
        beds = chain(wav.blocks(bed), repeat(silence))
        for spoken, under in zip(wav.blocks(voice), beds, strict=False):
            mixed = np.repeat(spoken * factor, 2, axis=1)
            shared = min(len(mixed), len(under))
            mixed[:shared] += under[:shared] * curve.at(position, shared)[:, None]
            out.write(mixed * np.float32(10 ** (-HEADROOM_DB / 20)))
            position += len(mixed)


def speech_level_db(path: Path, intervals: Sequence[Interval]) -> float | None:
    """The level of the loud part of what is heard in `intervals`, in dBFS; None for silence.

    Mean power of the 10 ms frames within 15 dB of the 95th percentile: pauses do not count.
    """
    frame = wav.SAMPLE_RATE // 100
    powers = [np.zeros(0)]
    for start, end in intervals:
        samples = wav.span(path, start, end).mean(axis=1)
        whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
        powers.append((whole.astype(np.float64) ** 2).mean(axis=1))
    power = np.concatenate(powers)
    if not len(power) or float(power.max()) < 1e-9:
        return None
    loud = power[power > np.percentile(power, 95) * 10**-1.5]
    return float(10 * np.log10(loud.mean()))

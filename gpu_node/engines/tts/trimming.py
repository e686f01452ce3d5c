"""A line without the silence around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from gpu_node.media import wav

_QUIET_DB = -45.0
"""Below the line's own peak: eSpeak's silence is digital, its faintest consonants are not."""
_LEAD_SECONDS = 0.01
_TAIL_SECONDS = 0.06


def trim(samples: NDArray[np.float32], rate: int, target: Path) -> tuple[float, float] | None:
    """Cut the outer silence, resample, write; returns duration and lead in seconds.

    `samples`: one channel. None, and nothing is written, when there is no sound in it.
    """
    bounds = audible_bounds(samples)
    if bounds is None:
        return None
    onset, end = bounds
    first = max(0, onset - round(_LEAD_SECONDS * rate))
    last = min(len(samples), end + round(_TAIL_SECONDS * rate))
    line = soxr.resample(samples[first:last], rate, wav.SAMPLE_RATE, quality="HQ")
    wav.write(target, line)
    return len(line) / wav.SAMPLE_RATE, (onset - first) / rate


def audible_bounds(samples: NDArray[np.float32]) -> tuple[int, int] | None:
    """The first and one past the last sample that can be heard; None for silence."""
    if not len(samples):
        return None
    level = np.abs(samples)
    loudest = float(level.max())
    if loudest < 1e-4:
        return None
    heard = np.flatnonzero(level > loudest * 10 ** (_QUIET_DB / 20))
    return int(heard[0]), int(heard[-1]) + 1

"""When lines begin, heard in the finished sound and not read off the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_SECONDS = 0.01
_BELOW_LOUD_DB = 14.0
"""A line is heard above this much under its own loud part: a bed that is 18 dB down is not."""
_QUIET_FRAMES = 5
"""50 ms: pauses between words are shorter, those that the fit leaves between lines longer."""
_EARLIEST, _LATEST = -0.4, 1.6
"""Where to look, around the expected moment, in seconds."""


def levels(samples: NDArray[np.floating[Any]], rate: int) -> NDArray[np.float64]:
    """The level of each 10 ms of a mono signal, in dBFS."""
    frame = round(rate * FRAME_SECONDS)
    framed = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power: NDArray[np.float64] = np.mean(framed.astype(np.float64) ** 2, axis=1)
    return 10 * np.log10(power + 1e-12)


def heard_onsets(
    level: NDArray[np.float64], expected: Mapping[str, float]
) -> dict[str, float | None]:
    """For each expected moment (seconds, by id) the nearest moment at which speech sets in.

    An onset is the first frame above a line's threshold after 50 ms below it. None: there is none.
    """
    return {key: _nearest(level, moment) for key, moment in expected.items()}


def _nearest(level: NDArray[np.float64], moment: float) -> float | None:
    first = max(0, round((moment + _EARLIEST) / FRAME_SECONDS))
    last = min(len(level), round((moment + _LATEST) / FRAME_SECONDS))
    window = level[first:last]
    if not len(window):
        return None
    above = window > np.percentile(window, 95) - _BELOW_LOUD_DB
    quiet = np.concatenate((np.full(_QUIET_FRAMES, first == 0), ~above))
    settled = np.lib.stride_tricks.sliding_window_view(quiet, _QUIET_FRAMES)[: len(above)]
    onsets = np.flatnonzero(above & settled.all(axis=1))
    if not len(onsets):
        return None
    times = (first + onsets) * FRAME_SECONDS
    return float(times[np.abs(times - moment).argmin()])


def percentiles(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Median, 95th percentile and maximum of absolute values."""
    if not values:
        return None
    size = np.abs(np.array(values))
    return float(np.median(size)), float(np.percentile(size, 95)), float(size.max())

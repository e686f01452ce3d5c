"""Edges without a click."""

from __future__ import annotations

import numpy as np

from chatterbox_service.ports import Samples


def faded(samples: Samples, length: int, *, start: bool = True, end: bool = True) -> Samples:
    """A copy whose first and last `length` samples rise from 0 and fall to 0, by half a cosine.

    What is shorter than two fades gets shorter ones; nothing between them changes.
    """
    copy = np.array(samples, dtype=np.float32)
    length = max(0, min(length, len(copy) // 2))
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length))).astype(np.float32)
    if start:
        copy[:length] *= ramp
    if end:
        copy[len(copy) - length :] *= ramp[::-1]
    return copy

"""Cuts the silence around what was said, and nothing inside it."""

from __future__ import annotations

import numpy as np

from chatterbox_service.ports import Samples
from chatterbox_service.sound.fading import faded

QUIET_DB = -45.0
"""Below the loudest sample of the take: its faintest consonants are louder."""
FLOOR = 1e-4
"""-80 dB: a take that never gets there is silent."""
LEAD_SECONDS = 0.01
TAIL_SECONDS = 0.06
FADE_SECONDS = 0.005
"""Half the lead, so that no onset is softened."""


def trimmed(
    samples: Samples, rate: int, *, quiet_db: float = QUIET_DB, floor: float = FLOOR
) -> Samples:
    """From 10 ms before the first sample that can be heard to 60 ms after the last, both faded.

    Heard is what is above `floor` and less than `quiet_db` below the peak. Empty for a take that is
    silent, or that holds no number. Never changes what it is given. `rate` in Hz.
    """
    bounds = audible(samples, quiet_db=quiet_db, floor=floor)
    if bounds is None:
        return np.zeros(0, dtype=np.float32)
    onset, end = bounds
    first = max(0, onset - round(LEAD_SECONDS * rate))
    last = min(len(samples), end + round(TAIL_SECONDS * rate))
    return faded(samples[first:last], round(FADE_SECONDS * rate))


def audible(
    samples: Samples, *, quiet_db: float = QUIET_DB, floor: float = FLOOR
) -> tuple[int, int] | None:
    """The first and one past the last sample that can be heard; None for silence."""
    level = np.abs(samples)
    loudest = float(level.max(initial=0.0))
    if not floor <= loudest < np.inf:
        return None
    heard = np.flatnonzero(level >= max(floor, loudest * 10 ** (quiet_db / 20)))
    return int(heard[0]), int(heard[-1]) + 1

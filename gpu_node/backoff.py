"""How long to wait before trying again. Pure: the attempt, the clock and the dice are arguments."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BASE_SECONDS = 0.5
CAP_SECONDS = 15.0
LONGEST_ASKED_SECONDS = 300.0
"""The most that a server may ask us to wait."""


def delay(attempt: int, dice: float, asked: float | None = None) -> float:
    """Seconds to wait after failure number `attempt` (from 0). `dice` is in [0, 1).

    Exponential, capped, with full jitter: many nodes that lost the site at one moment come back
    spread over the whole interval. What the server asked for (`asked`) is the least.
    """
    # 2.0 ** 1100 would overflow; the cap is reached long before.
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 16))
    wait = dice * ceiling
    return wait if asked is None else max(wait, min(asked, LONGEST_ASKED_SECONDS))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds asked for by a Retry-After header: a number, or a date; None if it says nothing."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _until(header, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())

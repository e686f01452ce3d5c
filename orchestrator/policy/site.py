"""Since when nodes have been able to reach the main server.

A node that could not send its heartbeat because the site was away has done nothing wrong. So
nobody's lease is taken, and no node drained, until the site has been up for one lease length.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_MISSED_LOOKS = 3
_LEAST_GAP = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Site:
    """`up_since`: no gap since then; `seen_at`: the last look that found it up."""

    up_since: datetime | None
    seen_at: datetime | None


def longest_gap(look_every: timedelta, call: timedelta, lease: timedelta) -> timedelta:
    """So far apart two looks may be: a tick that waits for a slow cloud looks in between calls.

    Never so far that a lease could end in a gap that nobody noticed.
    """
    usual = max(look_every * _MISSED_LOOKS, _LEAST_GAP)
    longest = max(lease, look_every + _LEAST_GAP)
    return min(max(usual, min(look_every + 2 * call, lease / 2)), longest)


def looked(site: Site, up: bool, now: datetime, gap: timedelta) -> Site:
    """What is known after another look. More than `gap` since the last: nobody looked meanwhile."""
    if not up:
        return Site(None, site.seen_at)
    if site.up_since is None or site.seen_at is None:
        return Site(now, now)
    # A last look that lies ahead of us: the clock was set back, and nothing is known.
    if not timedelta() <= now - site.seen_at <= gap:
        return Site(now, now)
    return Site(site.up_since, now)


def settled(site: Site, now: datetime, lease: timedelta) -> bool:
    """Whether silence now means something."""
    return site.up_since is not None and now - site.up_since >= lease

"""How long a server has been awake, by the cloud's account. Pure.

Nova's `OS-SRV-USG:launched_at` is set anew when a server is spawned: at its creation and when it is
unshelved after having been offloaded, but also when it is rebuilt or resized; and it is not set
when a server that was shelved and not yet offloaded is merely powered on. The list of actions says
when a creation or an unshelving was asked for. The later of the two can only be too late, so what
comes out is never more than the true uptime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.deadman.facts import Wake

_WAKES = frozenset({"create", "unshelve", "restore"})
"""The last: a server that was deleted, and kept for a while, is powered on again."""
_CLOCKS_AGREE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Action:
    """An entry of a server's list of actions."""

    name: str
    request_id: str
    started_at: datetime


def last_wake(
    actions: Sequence[Action],
    launched_at: datetime | None,
    cloud_time: datetime | None,
    here: datetime,
) -> Wake | None:
    """When the server was last woken; None where the list does not say.

    `cloud_time` is the clock of the machine that answered. All times are aware. The cloud's clock
    is believed only where this machine's own agrees: one of the two may have been set.
    """
    wakes = [action for action in actions if action.name in _WAKES]
    if not wakes:
        return None
    newest = max(wakes, key=lambda action: action.started_at)
    if cloud_time is None or abs(cloud_time - here) > _CLOCKS_AGREE:
        return Wake(newest.request_id, None)
    began = max(newest.started_at, launched_at or newest.started_at)
    return Wake(newest.request_id, max(0.0, (cloud_time - began).total_seconds()))

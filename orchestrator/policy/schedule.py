"""When queued jobs are expected to begin: list scheduling over the nodes that serve. Pure.

Nodes that serve are those that the planner counts, and those that it would wake now. Where nobody
serves a kind of job, the node that will be able to soonest is taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.policy.phase import Phase, phase
from orchestrator.policy.scaling import serves_now, wakes
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.states import CloudStatus, Wanted

CLAIM = timedelta(seconds=5)
"""An idle worker has heard the doorbell and claimed by then."""

OVERDUE = timedelta(minutes=1)
"""A guess: what a job still takes that has taken longer than it was expected to."""

_LONGEST = timedelta(days=30)
"""No job is taken to last longer, whatever its media's length says."""

_ASLEEP = frozenset({Phase.ASLEEP, Phase.RESERVED, Phase.UNKNOWN})
_GOING_TO_SLEEP = frozenset({Phase.DRAINING, Phase.STOPPING, Phase.SHELVING})
_MENDED_BY_SLEEP = frozenset({CloudStatus.SHUTOFF, CloudStatus.PAUSED, CloudStatus.SUSPENDED})
"""The planner shelves such a server, and wakes it when it is wanted."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A job that waits. `work`: what it is expected to take of a node's time."""

    kind: str
    urgent: bool
    not_before: datetime
    work: timedelta


class Via(StrEnum):
    """How a job comes to a node."""

    FREE = "free"
    """It is idle now."""
    BUSY = "busy"
    """It has another job to do first."""
    BOOTING = "booting"
    WAKING = "waking"
    """It is being woken, or is about to be."""
    LATER = "later"
    """It serves nobody now, and will be the first that can again."""


@dataclass(frozen=True, slots=True)
class Start:
    """When a job is expected to begin, and where."""

    at: datetime
    node: NodeView
    via: Via


@dataclass(slots=True)
class _Seat:
    node: NodeView
    via: Via


def schedule(fleet: FleetView, queue: Sequence[Queued]) -> tuple[Start | None, ...]:
    """The start of each job, in the order of the queue. None: nobody can say, or may pay for it."""
    waiting = [number for number, job in enumerate(queue) if job.urgent or not _spent(fleet)]
    starts: list[Start | None] = [None] * len(queue)
    seats, free = _seats(fleet, {queue[number].kind for number in waiting})
    while waiting and free:
        at, seat = heapq.heappop(free)
        node, via = seats[seat].node, seats[seat].via
        able = [number for number in waiting if node.serves(queue[number].kind)]
        if not able:
            continue
        now = next((number for number in able if queue[number].not_before <= at), None)
        if now is None:
            heapq.heappush(free, (min(queue[number].not_before for number in able), seat))
            continue
        starts[now] = Start(at, node, via)
        waiting.remove(now)
        seats[seat].via = Via.BUSY
        heapq.heappush(free, (at + min(queue[now].work, _LONGEST), seat))
    return tuple(starts)


def _spent(fleet: FleetView) -> bool:
    return fleet.policy.budget.exhausted(fleet.spent)


def _seats(fleet: FleetView, kinds: set[str]) -> tuple[list[_Seat], list[tuple[datetime, int]]]:
    """Who will work, and when each is free: first of all those that the planner counts on."""
    found = [*_serving(fleet), *_woken(fleet)]
    for kind in sorted(kinds):
        if not any(seat.node.serves(kind) for _, seat in found):
            found += _soonest(fleet, kind)
    seats = [seat for _, seat in found]
    free = [(at, number) for number, (at, _) in enumerate(found)]
    heapq.heapify(free)
    return seats, free


def _serving(fleet: FleetView) -> Iterator[tuple[datetime, _Seat]]:
    for node in fleet.nodes:
        if not serves_now(node, fleet):
            continue
        match phase(node, fleet.policy, fleet.now):
            case Phase.IDLE:
                yield fleet.now + CLAIM, _Seat(node, Via.FREE)
            case Phase.WORKING:
                yield fleet.now + _left(node), _Seat(node, Via.BUSY)
            case Phase.BOOTING:
                yield fleet.now + _wake_left(node, fleet), _Seat(node, Via.BOOTING)
            case _:
                yield fleet.now + _wake_left(node, fleet), _Seat(node, Via.WAKING)


def _woken(fleet: FleetView) -> Iterator[tuple[datetime, _Seat]]:
    called = {call.node for call in wakes(fleet)}
    for node in fleet.nodes:
        if node.name in called:
            yield fleet.now + fleet.usual_wake, _Seat(node, Via.WAKING)


def _soonest(fleet: FleetView, kind: str) -> list[tuple[datetime, _Seat]]:
    able = [node for node in fleet.nodes if node.serves(kind)]
    later = [(at, node) for node in able if (at := _later(node, fleet)) is not None]
    if not later:
        return []
    at, node = min(later, key=lambda pair: (pair[0], pair[1].name))
    return [(at, _Seat(node, Via.LATER))]


def _later(node: NodeView, fleet: FleetView) -> datetime | None:
    """When a node that serves nobody now may serve again; None when only a person can say."""
    if node.parked or node.locked or node.wanted is Wanted.HELD:
        return None
    now, wake = fleet.now, fleet.usual_wake
    earliest = max(node.not_before or now, node.quarantined_until or now, now)
    match phase(node, fleet.policy, now):
        case where if where in _ASLEEP:
            return earliest + wake
        case Phase.WORKING:
            return max(earliest, now + _left(node) + wake) + wake
        case Phase.SILENT | Phase.BROKEN | Phase.BOOTING | Phase.WAKING | Phase.IDLE:
            patience = timedelta() if node.quarantined(now) else fleet.policy.boot
            return max(earliest, now + patience + wake) + wake
        case where if where in _GOING_TO_SLEEP or node.cloud in _MENDED_BY_SLEEP:
            return max(earliest, now + wake) + wake
    return None


def _left(node: NodeView) -> timedelta:
    left = node.lease.left if node.lease is not None else timedelta()
    return min(left, _LONGEST) if left > timedelta() else OVERDUE


def _wake_left(node: NodeView, fleet: FleetView) -> timedelta:
    """What is left of a usual waking; never less than a claim takes."""
    begun = node.awake_since
    if begun is None and node.operation is not None:
        begun = node.operation.intended_at
    passed = fleet.now - begun if begun is not None else timedelta()
    return max(fleet.usual_wake - passed, CLAIM)

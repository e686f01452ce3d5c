"""What a queued job waits for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.policy.phase import Phase, phase
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.states import Gate, Wanted

_USUAL_WAKE = timedelta(seconds=60)
"""Until a node has been woken once, this is what is promised."""


class WaitingFor(StrEnum):
    """Why a job is not running."""

    NOTHING = "nothing"
    RETRY = "retry"
    WAKING = "waking"
    BOOTING = "booting"
    QUEUE = "queue"
    CAPACITY = "capacity"
    NO_NODE = "no_node"
    SLEEPING_FIRST = "sleeping_first"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`sentence` is for people; `seconds` the expected wait, None when nobody can say."""

    why: WaitingFor
    sentence: str
    seconds: float | None = None


def waiting(
    fleet: FleetView, not_before: datetime, ahead: int, usual_wake: timedelta | None
) -> Waiting:
    """Why a queued job is not running yet. `ahead`: queued jobs that go first."""
    if not_before > fleet.now:
        return _retry(not_before - fleet.now)
    phases = {node.name: phase(node, fleet.policy, fleet.now) for node in fleet.nodes}
    usable = [node for node in fleet.nodes if not node.parked and node.wanted is not Wanted.HELD]
    wake = usual_wake or _USUAL_WAKE
    if not usable:
        return Waiting(
            WaitingFor.NO_NODE,
            "No GPU node is available: all are held by an operator, or none is set up.",
        )
    if any(phases[n.name] is Phase.IDLE and n.gate is Gate.OPEN for n in usable):
        return Waiting(WaitingFor.QUEUE, "A GPU node is awake and takes it now.", 5.0)
    if any(phases[n.name] is Phase.BOOTING for n in usable):
        left = _left(usable, phases, wake, fleet.now)
        return Waiting(
            WaitingFor.BOOTING, f"The GPU node is starting, {about(left)}.", left.total_seconds()
        )
    if any(phases[n.name] is Phase.WORKING for n in usable):
        first = "it is next" if ahead == 0 else f"{ahead} {_lessons(ahead)} before it"
        return Waiting(WaitingFor.QUEUE, f"Waiting for the GPU node to be free: {first}.")
    if any(phases[n.name] is Phase.WAKING for n in usable):
        left = _left(usable, phases, wake, fleet.now)
        return Waiting(
            WaitingFor.WAKING, f"Waking a GPU node, {about(left)}.", left.total_seconds()
        )
    later = [n.not_before for n in usable if n.not_before and n.not_before > fleet.now]
    # One that the cloud has not been asked about yet is most likely asleep.
    asleep = [n for n in usable if phases[n.name] in (Phase.ASLEEP, Phase.UNKNOWN)]
    if asleep and len(later) >= len(asleep):
        left = min(later) - fleet.now
        return Waiting(
            WaitingFor.CAPACITY,
            f"No GPU is free at the cloud: trying again in {about(left)}.",
            (left + wake).total_seconds(),
        )
    if asleep:
        return Waiting(
            WaitingFor.WAKING, f"Waking a GPU node, {about(wake)}.", wake.total_seconds()
        )
    return Waiting(
        WaitingFor.SLEEPING_FIRST,
        "The GPU node was just being put to sleep; it is woken again right after.",
        2 * wake.total_seconds(),
    )


def about(left: timedelta) -> str:
    """Such as "about 1 min". People are not told seconds that nobody can promise."""
    seconds = max(0.0, left.total_seconds())
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min"


def _retry(left: timedelta) -> Waiting:
    return Waiting(
        WaitingFor.RETRY,
        f"The last try did not succeed: trying again in {about(left)}.",
        left.total_seconds(),
    )


def _left(
    nodes: Iterable[NodeView], phases: dict[str, Phase], wake: timedelta, now: datetime
) -> timedelta:
    """What is left of a usual waking, of the node that was woken first; never less than 5 s."""
    begun = [
        node.awake_since
        for node in nodes
        if node.awake_since and phases[node.name] in (Phase.BOOTING, Phase.WAKING)
    ]
    passed = now - min(begun) if begun else timedelta()
    return max(wake - passed, timedelta(seconds=5))


def _lessons(count: int) -> str:
    return "lesson goes" if count == 1 else "lessons go"

"""What queued jobs wait for, in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from orchestrator.policy.phase import Phase, phase
from orchestrator.policy.scaling import serves_now
from orchestrator.policy.schedule import Queued, Start, Via, schedule
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.states import CloudStatus, Wanted


class WaitingFor(StrEnum):
    """Why a job is not running."""

    NOTHING = "nothing"
    RETRY = "retry"
    BUDGET = "budget"
    WAKING = "waking"
    BOOTING = "booting"
    QUEUE = "queue"
    CAPACITY = "capacity"
    BACKOFF = "backoff"
    """A node could be had, and did not come up."""
    QUARANTINE = "quarantine"
    CLOUD = "cloud"
    TROUBLE = "trouble"
    """The only node there is awake, and of no use."""
    NO_NODE = "no_node"
    SLEEPING_FIRST = "sleeping_first"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`sentence` is for people; `seconds` the expected wait, None when nobody can say."""

    why: WaitingFor
    sentence: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cloud:
    """How the cloud stands to us. `full`: nodes that it had no GPU for when last asked."""

    answers: bool = True
    full: frozenset[str] = frozenset()


def outlook(
    fleet: FleetView, queue: Sequence[Queued], cloud: Cloud | None = None
) -> tuple[Waiting, ...]:
    """Why each of these jobs is not running yet. `queue`: all there are, in their order."""
    said, ahead = [], 0
    for job, start in zip(queue, schedule(fleet, queue), strict=True):
        said.append(_waiting(fleet, job, start, ahead, cloud or Cloud()))
        ahead += start is not None and job.not_before <= fleet.now
    return tuple(said)


def about(left: timedelta) -> str:
    """Such as "about 1 min". People are not told seconds that nobody can promise."""
    seconds = max(0.0, left.total_seconds())
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return f"about {minutes} min"
    hours = round(minutes / 60)
    return f"about {hours} h" if hours < 48 else f"about {round(hours / 24)} days"


def _waiting(
    fleet: FleetView, job: Queued, start: Start | None, ahead: int, cloud: Cloud
) -> Waiting:
    if not job.urgent and fleet.policy.budget.exhausted(fleet.spent):
        return Waiting(WaitingFor.BUDGET, _budget(fleet))
    if job.not_before > fleet.now:
        left = job.not_before - fleet.now
        sentence = f"The last try did not succeed: trying again in {about(left)}."
        begins = start.at - fleet.now if start is not None else left
        return Waiting(WaitingFor.RETRY, sentence, begins.total_seconds())
    if start is None:
        return Waiting(WaitingFor.NO_NODE, _nobody(fleet, job.kind))
    left = start.at - fleet.now
    match start.via:
        case Via.FREE:
            sentence = "A GPU node is awake and takes it now."
            return Waiting(WaitingFor.QUEUE, sentence, left.total_seconds())
        case Via.BUSY:
            return Waiting(WaitingFor.QUEUE, _busy(fleet, left, ahead), left.total_seconds())
        case Via.BOOTING:
            sentence = f"The GPU node is starting, {about(left)}."
            return Waiting(WaitingFor.BOOTING, sentence, left.total_seconds())
        case Via.WAKING:
            return _waking(start, left, cloud)
        case Via.LATER:
            return _later(fleet, start, left, cloud)


def _budget(fleet: FleetView) -> str:
    budget, spent = fleet.policy.budget, fleet.spent
    month = budget.month is not None and spent.month >= budget.month
    period = "this month" if month else "today"
    return f"The budget of {period} is spent: only urgent jobs are begun."


def _busy(fleet: FleetView, left: timedelta, ahead: int) -> str:
    several = sum(serves_now(node, fleet) for node in fleet.nodes) > 1
    first = "it is next" if ahead == 0 else f"{ahead} {_lessons(ahead)} before it"
    node = "a GPU node" if several else "the GPU node"
    return f"Waiting for {node} to be free, {about(left)}: {first}."


def _waking(start: Start, left: timedelta, cloud: Cloud) -> Waiting:
    if not cloud.answers and start.node.operation is None:
        return Waiting(
            WaitingFor.CLOUD,
            "The cloud does not answer at the moment: a GPU node is woken as soon as it does.",
        )
    return Waiting(WaitingFor.WAKING, f"Waking a GPU node, {about(left)}.", left.total_seconds())


def _later(fleet: FleetView, start: Start, left: timedelta, cloud: Cloud) -> Waiting:
    """Why nobody serves now, of the node that will be the first to."""
    node, now, seconds = start.node, fleet.now, left.total_seconds()
    where = phase(node, fleet.policy, now)
    if node.quarantined_until is not None and node.quarantined(now):
        sentence = (
            "The GPU node lost two different jobs in a row and is given none for a while: "
            f"trying again in {about(node.quarantined_until - now)}."
        )
        return Waiting(WaitingFor.QUARANTINE, sentence, seconds)
    if node.not_before is not None and node.not_before > now and where is Phase.ASLEEP:
        full = node.name in cloud.full
        why = "No GPU is free at the cloud" if full else "The GPU node could not be woken"
        return Waiting(
            WaitingFor.CAPACITY if full else WaitingFor.BACKOFF,
            f"{why}: trying again in {about(node.not_before - now)}.",
            seconds,
        )
    match where:
        case Phase.ASLEEP | Phase.RESERVED | Phase.UNKNOWN:
            return _waking(start, left, cloud)
        case Phase.SILENT:
            sentence = "The GPU node does not answer: it is started anew if that goes on."
            return Waiting(WaitingFor.TROUBLE, sentence, seconds)
        case Phase.BROKEN:
            sentence = "The GPU node is awake but cannot work: it is started anew if that goes on."
            return Waiting(WaitingFor.TROUBLE, sentence, seconds)
        case _:
            return Waiting(
                WaitingFor.SLEEPING_FIRST,
                "The GPU node was just being put to sleep; it is woken again right after.",
                seconds,
            )


def _nobody(fleet: FleetView, kind: str) -> str:
    able = [node for node in fleet.nodes if node.serves(kind)]
    if not fleet.nodes:
        return "No GPU node is available: none is set up."
    if not able:
        return f"No GPU node is available: none does jobs of the kind “{kind}”."
    reasons = Counter(_out_of_use(node) for node in able)
    if len(able) == 1:
        return f"No GPU node is available: it is {next(iter(reasons))}."
    parts = [
        f"{count} {'is' if count == 1 else 'are'} {reason}" for reason, count in reasons.items()
    ]
    return f"No GPU node is available: {', '.join(parts)}."


def _out_of_use(node: NodeView) -> str:
    if node.wanted is Wanted.HELD:
        return "held by an operator"
    if node.parked:
        return "drained by an operator"
    if node.cloud in (CloudStatus.DELETED, CloudStatus.SOFT_DELETED):
        return "gone from the cloud"
    if node.cloud is CloudStatus.ERROR:
        return "in error at the cloud"
    if node.locked:
        return "locked by somebody at the cloud"
    return "not running at the cloud"


def _lessons(count: int) -> str:
    return "lesson goes" if count == 1 else "lessons go"

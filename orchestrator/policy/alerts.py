"""What a person should know of, from what is. Pure: an alert lasts for as long as it is so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.policy.budget import Purse
from orchestrator.policy.phase import Phase, account, phase
from orchestrator.policy.scaling import could_be_woken, rests, serves_now
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.states import Cause, CloudStatus, OperationOutcome, Wanted

PATIENCE = timedelta(minutes=4)
"""What goes wrong for so long is said: within five minutes, ticks included."""

_LONG_WAIT = timedelta(minutes=15)


class AlertKind(StrEnum):
    """What is wrong. The value is the reason code that operators and dashboards see."""

    FAILURE_BILLED = "failure_billed"
    """A node costs money and does nothing that it should."""
    SHELVE_FAILS = "shelve_fails"
    """It was to be put to sleep and is still paid for."""
    SERVER_ERROR = "server_error"
    """In a status that only a person can bring it out of."""
    SERVER_GONE = "server_gone"
    SERVER_UNKNOWN = "server_unknown"
    """The cloud has a server of the fleet that is no node."""
    LOCKED = "locked"
    HELD = "held"
    QUARANTINED = "quarantined"
    NO_CAPACITY = "no_capacity"
    """Jobs wait and no node can be woken."""
    CLOUD = "cloud"
    """The cloud does not answer."""
    CLOUD_REFUSES = "cloud_refuses"
    """It knows us no more, or the balance is empty: only a person can mend that."""
    CALL_UNKNOWN = "call_unknown"
    """Whether a call was made is not known, and the cloud does not say."""
    BUDGET_LOW = "budget_low"
    BUDGET_EMPTY = "budget_empty"


@dataclass(frozen=True, slots=True)
class Raised:
    """`subject`: a node's name, a server's, or "fleet"; at most LONGEST_SUBJECT characters."""

    kind: AlertKind
    subject: str
    sentence: str


FLEET = "fleet"

LONGEST_SUBJECT = 80
"""What the column holds; a server's name may be longer."""


@dataclass(frozen=True, slots=True)
class CloudTrouble:
    """That the cloud cannot be asked, and since when. `refused`: it answers, and refuses us."""

    refused: bool
    sentence: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server of the fleet that is no node, and at how many looks in a row it was there."""

    name: str
    times: int


_SIGHTINGS = 2
"""What was seen once may be somebody's work in progress."""


def alerts(
    fleet: FleetView,
    trouble: CloudTrouble | None,
    cause_since: Mapping[str, datetime],
    strangers: Iterable[Stranger] = (),
) -> tuple[Raised, ...]:
    """What is wrong now. `cause_since`: since when each node's billed time has had its cause."""
    return (
        *(one for node in fleet.nodes for one in _of_node(node, fleet, cause_since)),
        *_of_cloud(fleet, trouble),
        *_of_budget(fleet),
        *_of_strangers(strangers),
    )


def _of_node(
    node: NodeView, fleet: FleetView, cause_since: Mapping[str, datetime]
) -> Iterator[Raised]:
    now, name = fleet.now, node.name
    since = cause_since.get(name, now)
    spent = account(node, fleet.policy, now)
    overrun = spent.limit if spent.cause is Cause.FAILURE and spent.limit is not None else now
    long = now - min(since, overrun) >= PATIENCE
    where = phase(node, fleet.policy, now)
    if node.cloud is CloudStatus.DELETED:
        yield Raised(AlertKind.SERVER_GONE, name, f"The cloud has no server for {name} any more.")
    elif where is Phase.ERROR and node.cloud is CloudStatus.ERROR:
        yield Raised(
            AlertKind.SERVER_ERROR,
            name,
            f"The server of {name} is in error, and paid for: only a person can bring it back.",
        )
    elif spent.cause is Cause.FAILURE and long:
        yield Raised(
            AlertKind.FAILURE_BILLED, name, f"{name} is paid for and does nothing: it is {where}."
        )
    elif spent.cause in (Cause.SHELVING, Cause.DRAIN) and _shelving_is_late(node, fleet, since):
        yield Raised(
            AlertKind.SHELVE_FAILS,
            name,
            f"{name} was to be put to sleep and is still paid for ({node.cloud}).",
        )
    if _call_is_unknown(node, fleet):
        yield Raised(
            AlertKind.CALL_UNKNOWN,
            name,
            f"Whether {name} was really asked to change is not known, and the cloud does not "
            "show what was asked of it: look whether this account may read its actions.",
        )
    if node.locked and spent.cause is not None:
        yield Raised(
            AlertKind.LOCKED, name, f"Somebody has locked {name}: it is left alone, and paid for."
        )
    if node.wanted is Wanted.HELD and spent.cause is Cause.HOLD and now - since > _LONG_WAIT:
        yield Raised(AlertKind.HELD, name, f"{name} is held by an operator, and paid for.")
    if node.quarantined(now):
        yield Raised(
            AlertKind.QUARANTINED,
            name,
            f"{name} lost two different jobs in a row and is given none for a while.",
        )


def _call_is_unknown(node: NodeView, fleet: FleetView) -> bool:
    operation = node.operation
    return (
        operation is not None
        and operation.outcome is OperationOutcome.INTENDED
        and fleet.now - operation.intended_at >= PATIENCE
    )


def _shelving_is_late(node: NodeView, fleet: FleetView, since: datetime) -> bool:
    """A shelve that fails is tried again at once: what counts is how long it has gone on."""
    begun = node.gate_since or since
    usual = fleet.policy.stop + fleet.policy.lease + PATIENCE
    under_way = node.operation is not None and bool(node.task)
    limit = fleet.policy.shelve if under_way else usual
    return fleet.now - begun > limit


def _of_cloud(fleet: FleetView, trouble: CloudTrouble | None) -> Iterator[Raised]:
    if trouble is not None and trouble.refused:
        yield Raised(AlertKind.CLOUD_REFUSES, FLEET, trouble.sentence)
    elif trouble is not None and fleet.now - trouble.since >= PATIENCE:
        yield Raised(AlertKind.CLOUD, FLEET, trouble.sentence)
    sleeping = [node for node in fleet.nodes if could_be_woken(node, fleet)]
    awake = any(serves_now(node, fleet) for node in fleet.nodes)
    if fleet.queued and sleeping and not awake and all(rests(n, fleet) for n in sleeping):
        yield Raised(
            AlertKind.NO_CAPACITY, FLEET, "Jobs wait, and no node can be woken at the moment."
        )


def _of_strangers(strangers: Iterable[Stranger]) -> Iterator[Raised]:
    for name in sorted({one.name for one in strangers if one.times >= _SIGHTINGS}):
        yield Raised(
            AlertKind.SERVER_UNKNOWN,
            name[:LONGEST_SUBJECT],
            f"The cloud has a server {name} of this fleet that is no node, and may cost money: "
            "enrol it, or delete it.",
        )


def _of_budget(fleet: FleetView) -> Iterator[Raised]:
    match fleet.policy.budget.purse(fleet.spent):
        case Purse.EMPTY:
            yield Raised(
                AlertKind.BUDGET_EMPTY, FLEET, "The budget is spent: only urgent jobs are done."
            )
        case Purse.LOW:
            yield Raised(AlertKind.BUDGET_LOW, FLEET, "The budget is nearly spent.")
        case Purse.OPEN:
            return

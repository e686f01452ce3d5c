"""What must be true of the fleet after the journey, measured."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from gpu_node.contracts.journey import Promise
from orchestrator import ledger
from orchestrator.ledger import Stretch
from orchestrator.models import Job, LedgerEntry, Node
from orchestrator.providers import provider
from orchestrator.settings import fleet_settings
from orchestrator.states import AttemptOutcome, Cause, OperationKind

_SLACK = timedelta(seconds=1)
"""What a request and a look at the clock may take on a machine that is busy dubbing."""


def fleet_promises(job: Job, now: datetime) -> list[Promise]:
    """One result, a whole ledger, an idle time within its limit."""
    found = [_one_result(job)]
    for node in Node.objects.all():
        stretches = ledger.stretches(LedgerEntry.objects.filter(node=node))
        found += [_whole(node, stretches), _idle(node, stretches), _agrees(node, stretches)]
        found.append(_bill(node, stretches, now))
    return found


def _one_result(job: Job) -> Promise:
    accepted = job.attempts.filter(outcome=AttemptOutcome.SUCCEEDED).count()
    tries = job.attempts.count()
    return Promise(
        what="one job, one accepted result",
        measured=f"{accepted} of {tries} attempt(s)",
        kept=accepted == 1,
    )


def _whole(node: Node, stretches: tuple[Stretch, ...]) -> Promise:
    gaps = sum(
        one.end != two.start
        for waking in ledger.wakings(stretches)
        for one, two in pairwise(waking)
    )
    return Promise(
        what=f"{node.name}: every billed second has one cause",
        measured=f"{len(stretches)} stretches, {gaps} gaps",
        kept=bool(stretches) and gaps == 0 and all(one.end is not None for one in stretches),
    )


def _idle(node: Node, stretches: tuple[Stretch, ...]) -> Promise:
    fleet = fleet_settings()
    limit = fleet.fleet_idle_minutes * 60 + fleet.fleet_tick_seconds + _SLACK.total_seconds()
    longest = max((_seconds(one) for one in stretches if one.cause is Cause.IDLE), default=0.0)
    # Until the site has been up for a lease, silence means nothing and nobody is drained.
    limit = max(limit, fleet.fleet_lease_seconds + fleet.fleet_tick_seconds)
    return Promise(
        what=f"{node.name}: idle for at most {limit:.0f} s, then put to sleep",
        measured=f"{longest:.1f} s",
        kept=longest <= limit,
    )


def _agrees(node: Node, stretches: tuple[Stretch, ...]) -> Promise:
    """Our bill against what the cloud has written down of the same waking."""
    actions = provider(fleet_settings()).actions(node.server_id)
    woken = [one.started_at for one in actions if one.kind is OperationKind.UNSHELVE]
    shelved = [one.started_at for one in actions if one.kind is OperationKind.SHELVE]
    starts = [waking[0].start for waking in ledger.wakings(stretches)]
    off = max(
        (abs(ours - theirs) for ours, theirs in zip(starts, reversed(woken), strict=False)),
        default=timedelta(),
    )
    kept = len(starts) == len(woken) == len(shelved) and off <= _SLACK
    return Promise(
        what=f"{node.name}: the bill begins when the cloud was asked to wake it",
        measured=f"{off.total_seconds():.2f} s apart",
        kept=kept,
    )


def _bill(node: Node, stretches: tuple[Stretch, ...], now: datetime) -> Promise:
    start = min((one.start for one in stretches), default=now)
    spent = ledger.seconds_by_cause(stretches, start, now)
    total = sum(spent.values())
    longest = sum(
        (waking[-1].end or now).timestamp() - waking[0].start.timestamp()
        for waking in ledger.wakings(stretches)
    )
    price = ledger.cost(total, fleet_settings().fleet_price_per_hour)
    words = ", ".join(f"{cause} {seconds:.1f}" for cause, seconds in spent.items())
    return Promise(
        what=f"{node.name}: the ledger adds up to the time awake",
        measured=f"{total:.1f} s ({words}), {price}",
        kept=abs(total - longest) < 0.01,
    )


def _seconds(stretch: Stretch) -> float:
    return (stretch.end - stretch.start).total_seconds() if stretch.end else float("inf")

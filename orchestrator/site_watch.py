"""Whether nodes can reach the main server, and since when: looked at, written down, and asked."""

from __future__ import annotations

from datetime import datetime

from orchestrator.models import FleetState
from orchestrator.policy import site
from orchestrator.policy.site import Site
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import policy_of


def note(up: bool, now: datetime) -> None:
    """Write down what a look has found."""
    rules = policy_of(fleet_settings())
    gap = site.longest_gap(rules.tick, rules.call, rules.lease)
    seen = site.looked(_known(), up, now, gap)
    FleetState.objects.filter(pk=1).update(site_up_since=seen.up_since, site_seen_at=seen.seen_at)


def settled(now: datetime) -> bool:
    """Whether silence means something at this moment: the last look is not old, and found it so.

    Whoever takes a lease, or drains a node for what it has not said, asks in the same transaction:
    since it was planned, the site may have gone away.
    """
    rules, known = policy_of(fleet_settings()), _known()
    fresh = known.seen_at is not None and now - known.seen_at <= rules.tick
    return fresh and site.settled(known, now, rules.lease)


def _known() -> Site:
    state = FleetState.objects.get(pk=1)
    return Site(state.site_up_since, state.site_seen_at)

"""How long each node may idle, learned from the past when its idle time begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from orchestrator.models import Attempt, Node
from orchestrator.policy.idle import IdlePolicy, IdleRules, Spell, gaps_of, idle_limit
from orchestrator.policy.phase import idle_since
from orchestrator.policy.views import FleetView, NodeView
from orchestrator.settings import FleetSettings, fleet_settings

_LATEST = 1000


def learned(fleet: FleetView) -> FleetView:
    """The fleet with a limit for each node whose idle time has begun since the last look.

    The limit is kept with the node and does not change while it idles: what is learned meanwhile
    must not turn time that was within the rules into time that was not.
    """
    settings = fleet_settings()
    if IdlePolicy(settings.fleet_idle_policy) is not IdlePolicy.ADAPTIVE:
        return fleet
    if all(_known(node) for node in fleet.nodes):
        return fleet
    spells = list(_spells())
    rules = rules_of(settings)
    nodes = [node if _known(node) else _learn(node, spells, rules) for node in fleet.nodes]
    return replace(fleet, nodes=tuple(nodes))


def rules_of(settings: FleetSettings) -> IdleRules:
    """The rules of this installation."""
    return IdleRules(
        IdlePolicy(settings.fleet_idle_policy),
        fixed=timedelta(minutes=settings.fleet_idle_minutes),
        cold_wait=timedelta(minutes=settings.fleet_cold_wait_minutes),
    )


def _known(node: NodeView) -> bool:
    since = idle_since(node)
    return since is None or node.idle_limit_since == since


def _learn(node: NodeView, spells: Sequence[Spell], rules: IdleRules) -> NodeView:
    since = idle_since(node)
    if since is None:
        return node
    limit = idle_limit(gaps_of(spells, since), rules)
    Node.objects.filter(name=node.name).update(
        idle_limit_seconds=limit.total_seconds(), idle_limit_since=since
    )
    return replace(node, idle_limit=limit, idle_limit_since=since)


def _spells() -> Iterator[Spell]:
    """When nodes had nothing to do, and when the work came that they did next."""
    latest = Attempt.objects.select_related("job").order_by("-claimed_at")[:_LATEST]
    by_node = sorted(latest, key=lambda one: (str(one.node_id), one.claimed_at))
    for _, attempts in groupby(by_node, key=lambda one: one.node_id):
        yield from _of_node(list(attempts))


def _of_node(attempts: Sequence[Attempt]) -> Iterable[Spell]:
    for one, then in pairwise(attempts):
        if one.ended_at is not None:
            yield Spell(one.ended_at, _came(then))
    last = attempts[-1].ended_at
    if last is not None:
        yield Spell(last, None)


def _came(attempt: Attempt) -> datetime:
    """When the job could first have been claimed; a retry has moved `not_before` since."""
    job = attempt.job
    return min(max(job.created_at, job.not_before), attempt.claimed_at)

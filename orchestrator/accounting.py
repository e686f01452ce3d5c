"""What every node's time is spent on, written down when it changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orchestrator import ledger, store
from orchestrator.clock import Clock
from orchestrator.models import LedgerEntry, Node
from orchestrator.policy import phase
from orchestrator.policy.views import NodeView, Policy
from orchestrator.settings import fleet_settings
from orchestrator.snapshot import node_view, policy_of
from orchestrator.states import Cause


def account(node: Node, now: datetime) -> None:
    """Write down what the node's time is spent on from now; its row is locked."""
    view = node_view(node)
    found = phase.account(view, policy_of(fleet_settings()), now)
    job = view.lease.job if view.lease else None
    ledger.enter(node.pk, found.cause, now, job, limit=found.limit)


def account_all(clock: Clock, nodes: Iterable[NodeView]) -> None:
    """The same for all nodes. Those whose time goes on as before cost no statement of their own."""
    now = clock.now()
    rules = policy_of(fleet_settings())
    written = {
        entry.node.name: (entry.cause, entry.job_id, entry.price_per_hour)
        for entry in LedgerEntry.objects.filter(ended_at__isnull=True).select_related("node")
    }
    for view in nodes:
        if written.get(view.name) == _wanted(view, rules, now):
            continue
        with store.atomic():
            now = clock.now()
            Node.objects.filter(name=view.name).update(touched_at=now)
            account(Node.objects.get(name=view.name), now)


def _wanted(
    view: NodeView, rules: Policy, now: datetime
) -> tuple[Cause, UUID | None, Decimal] | None:
    cause = phase.account(view, rules, now).cause
    if cause is None:
        return None
    return (cause, view.lease.job if view.lease else None, rules.price_per_hour)

"""Nodes that are wanted no more. They keep their rows: attempts and the ledger speak of them.

A retired node is held, its gate is shut for good, and the reason of that is what marks it. It has
neither a server nor a token any more, and has left its name to whoever comes next.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from orchestrator.models import Node

RETIRED = "retired"
"""The `gate_why` of such a node."""


def active_nodes() -> QuerySet[Node]:
    """All nodes that are not retired."""
    return Node.objects.exclude(gate_why=RETIRED)


def retired_at(node: Node) -> datetime | None:
    """Since when it has been retired; None while it belongs to the fleet."""
    return node.gate_since if node.gate_why == RETIRED else None

"""What a node that sleeps may still carry from the time when it was awake. Pure."""

from __future__ import annotations

from orchestrator.policy.views import NodeView
from orchestrator.states import CloudStatus, Gate, Wanted

ASLEEP = frozenset({CloudStatus.SHELVED_OFFLOADED, CloudStatus.SHELVED})
"""Nova's API takes an unshelve from these (nova/compute/api.py)."""

NOT_AWAKE = ASLEEP | {CloudStatus.DELETED}
"""What a node has left behind from when it was awake is settled in these."""


def has_traces(node: NodeView) -> bool:
    """Whether something is left of when it was awake."""
    return (
        node.gate is not Gate.OPEN
        or node.worker is not None
        or node.ready_at is not None
        or node.awake_since is not None
        or node.wanted is Wanted.AWAKE
        or node.woken_here
    )

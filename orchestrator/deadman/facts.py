"""What the switch goes by, as values: the cloud's servers, and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpu_node.contracts.pulse import ControllerPulse, NodePulse

ASLEEP = frozenset({"SHELVED_OFFLOADED", "SOFT_DELETED", "DELETED"})
"""Statuses in which a server holds no GPU. SHELVED, before it is offloaded, still does."""


@dataclass(frozen=True, slots=True)
class Wake:
    """The last time that a server was started from nothing: the action that did it."""

    request_id: str
    seconds_ago: float | None
    """By the cloud's own clock; None where that clock cannot be believed."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server in the switch's care, as the cloud describes it."""

    server_id: str
    name: str
    node: str
    status: str
    task_state: str | None
    locked: bool | None
    """None: the cloud does not say."""
    held: bool
    wake: Wake | None
    """None: its list of actions could not be read, or does not say."""

    @property
    def asleep(self) -> bool:
        return self.status in ASLEEP


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis said. A pulse that is missing or cannot be understood is not there."""

    run_id: str
    """New for every start of the Redis server."""
    uptime_seconds: float
    """By its machine's clock."""
    controller: ControllerPulse | None
    nodes: Mapping[str, NodePulse]

"""A fleet of one server: it sleeps or runs, and is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.reconciler import Reconciler
from orchestrator.states import CloudStatus
from tests.orchestrator.rows import ManualClock
from tests.orchestrator.simulation.cloud import SimulatedCloud

SERVER = "server-gpu-1"
ASLEEP: Mapping[str, Any] = {"cloud_status": CloudStatus.SHELVED_OFFLOADED, "awake_since": None}


def tick(cloud: SimulatedCloud, clock: ManualClock) -> list[str]:
    """Look once, while the site is up; what was done."""
    return Reconciler(cloud, clock, lambda: True).tick().steps


def seen(cloud: SimulatedCloud, status: CloudStatus, task: str | None = None) -> None:
    """The cloud says so from now on, whoever has asked for it."""
    server = cloud.servers[SERVER]
    changed = {"status": status, "task_state": task}
    server.state = server.state.model_copy(update=changed)


def running(cloud: SimulatedCloud) -> None:
    """The server is awake, whoever woke it."""
    seen(cloud, CloudStatus.ACTIVE)

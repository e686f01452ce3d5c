"""Facts for the switch, written short."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gpu_node.contracts.pulse import ControllerPulse, NodePulse
from gpu_node.contracts.watch import Instant
from orchestrator.deadman.facts import RedisFacts, ServerFacts, Wake
from orchestrator.deadman.verdict import Rules

MINUTE, HOUR = 60.0, 3600.0
RULES = Rules(max_uptime_seconds=12 * HOUR)
BOOT = "boot-of-this-machine"
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)

SERVER = ServerFacts(
    server_id="server-1",
    name="gpu-1",
    node="gpu-1",
    status="ACTIVE",
    task_state=None,
    locked=False,
    held=False,
    wake=Wake("req-1", 60.0),
)


def at(minutes: float, boot: str = BOOT) -> Instant:
    return Instant(boot, 100_000.0 + minutes * MINUTE)


def controller(beat: int) -> ControllerPulse:
    return ControllerPulse(boot_id="controller-1", beat=beat, at=SOME_DAY)


def node_pulse(beat: int, job: str | None = None, node: str = "gpu-1") -> NodePulse:
    return NodePulse(
        boot_id="worker-boot-1", beat=beat, at=SOME_DAY, node=node, busy=job is not None, job=job
    )


def redis(
    controller_beat: int | None = 1,
    node: NodePulse | None = None,
    *,
    run_id: str = "run-1",
    uptime: float = 10 * HOUR,
) -> RedisFacts:
    return RedisFacts(
        run_id=run_id,
        uptime_seconds=uptime,
        controller=None if controller_beat is None else controller(controller_beat),
        nodes={} if node is None else {node.node: node},
    )


def awake_for(hours: float, server: ServerFacts = SERVER) -> ServerFacts:
    return replace(server, wake=Wake("req-1", hours * HOUR))

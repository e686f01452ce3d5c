"""The switch with a real Redis, the real openstacksdk and a cloud on the loopback.

Its clock is the test's; Redis's own age is taken to have passed with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import redis as redis_client

from gpu_node.contracts.pulse import NodePulse, node_key
from gpu_node.contracts.watch import Instant
from orchestrator import pulse
from orchestrator.deadman.cloud import Cloud, open_cloud
from orchestrator.deadman.facts import RedisFacts
from orchestrator.deadman.pulses import read_pulses
from orchestrator.deadman.run import Switch
from orchestrator.deadman.tags import Tag
from orchestrator.deadman.verdict import Rules
from tests.orchestrator.deadman.nova import Nova
from tests.support.redis import RedisServer

MINUTE = 60.0


@dataclass
class Desk:
    """The switch, its clock, and those who write pulses."""

    nova: Nova
    redis: RedisServer
    state: Path
    seconds: float = 1000.0
    beat: int = 0
    dry: bool = False
    cloud: Cloud = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = open_cloud("guard", Tag("dubfleet", "1"))

    def look(self) -> bool:
        return Switch(
            cloud=self.cloud,
            pulses=self._pulses,
            state=self.state,
            rules=Rules(12 * 3600.0),
            now=lambda: Instant("boot", self.seconds),
            dry=self.dry,
        ).look()

    def pass_minutes(self, minutes: int, *, ticks: bool = False, node: str | None = "gpu-1") -> int:
        """Look once in each; how many requests to shelve there were."""
        before = len(self.nova.posts())
        for _ in range(minutes):
            self.seconds += MINUTE
            if ticks:
                assert pulse.beat(self.redis.url)
            if node is not None:
                self.node_beats(node)
            self.look()
        return len(self.nova.posts()) - before

    def node_beats(self, name: str = "gpu-1", job: str | None = None) -> None:
        self.beat += 1
        said = NodePulse(
            boot_id="boot-of-the-worker",
            beat=self.beat,
            at=datetime.now(UTC),
            node=name,
            busy=job is not None,
            job=job,
        )
        self.client.set(node_key(name), said.model_dump_json())

    @property
    def client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.redis.url)

    def _pulses(self, nodes: Iterable[str]) -> RedisFacts | None:
        found = read_pulses(self.redis.url, nodes)
        return found and replace(found, uptime_seconds=found.uptime_seconds + self.seconds)

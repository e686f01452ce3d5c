"""A cloud on the loopback, known to openstacksdk as `guard`, and a Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.deadman.desk import Desk
from tests.orchestrator.deadman.nova import Nova, nova_cloud
from tests.support.redis import RedisServer, redis_server


@pytest.fixture
def nova(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nova]:
    with nova_cloud() as cloud:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.write_clouds(tmp_path)))
        yield cloud


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def desk(nova: Nova, redis: RedisServer, tmp_path: Path) -> Desk:
    return Desk(nova, redis, tmp_path / "state" / "memory.json")


@pytest.fixture
def watched(desk: Desk) -> Desk:
    """An idle server, and a controller that has ticked for the last time."""
    desk.state.parent.mkdir()
    desk.nova.boot("gpu-1")
    desk.pass_minutes(3, ticks=True)
    return desk

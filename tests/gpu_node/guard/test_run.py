"""What may change between the guard's look and its request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpu_node.contracts.watch import Instant, read_memory, write_memory
from gpu_node.guard.cloud import open_cloud
from gpu_node.guard.run import Guard
from gpu_node.guard.verdict import Memory, Sight
from tests.gpu_node.guard.test_verdict import GONE, HERE, working
from tests.orchestrator.deadman.nova import Nova


def guard(nova: Nova, state: Path, *sights: Sight) -> Guard:
    """It sees these one after the other, after half an hour without a main server."""
    server = nova.boot("gpu-1")
    write_memory(state, Memory(boot="boot", looked=1940.0, gone_since=100.0))
    seen = iter(sights)
    return Guard(
        sight=lambda: next(seen),
        cloud=lambda: open_cloud("guard", server.id),
        state=state,
        max_uptime_seconds=1e6,
        now=lambda: Instant("boot", 2000.0),
    )


@pytest.mark.parametrize(
    "then", [HERE, replace(GONE, redis=True), working(1, busy=True)], ids=["site", "redis", "job"]
)
def test_what_comes_back_while_the_cloud_is_asked_stops_the_request(
    nova: Nova, tmp_path: Path, then: Sight
) -> None:
    assert guard(nova, tmp_path / "guard.json", GONE, then).look()
    assert [method for method, _ in nova.requests].count("GET") > 1
    assert nova.posts() == []


def test_the_request_is_noted_before_it_is_sent_and_after_the_actions_were_read(
    nova: Nova, tmp_path: Path
) -> None:
    state = tmp_path / "guard.json"
    assert guard(nova, state, GONE, GONE).look()
    assert [path.rpartition("/")[2] for _, path in nova.requests[-2:]] == [
        "os-instance-actions",
        "action",
    ]
    memory = read_memory(Memory, state)
    assert memory is not None
    assert memory.asked_at == 2000.0

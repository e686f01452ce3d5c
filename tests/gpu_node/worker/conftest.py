"""A site, a Redis, and workers that are real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gpu_node.worker.processes import WorkerProcess
from tests.support.node_api import Site
from tests.support.redis import RedisServer, redis_server


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()
    assert site.misunderstood == []


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(
    site: Site, redis: RedisServer, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts a worker in a folder of this test's own; ends whatever the test has left."""
    with ExitStack() as stack:

        def start(**how: Any) -> WorkerProcess:
            worker = WorkerProcess(site, redis, tmp_path / "node", **how)
            stack.callback(worker.clear)
            worker.start()
            return worker

        yield start

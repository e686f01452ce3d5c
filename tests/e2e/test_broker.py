"""Redis and the path to it fail under a node's worker, and it rings again without anybody's help.

The worker is the real one, kept up as on a local server, and does jobs of the toy kind. Nothing but
doorbells tells it of work. `make bench-broker` measures the same, longer and in more ways.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest
import redis
from celery import Celery

from gpu_node.contracts.node_api import DOORBELL_SECONDS, WORK_TASK
from gpu_node.worker.__main__ import OPTIONS
from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import Order
from orchestrator.providers.local_worker import LocalWorker, worker_environment
from tests.gpu_node.worker.counting import Text, words
from tests.gpu_node.worker.processes import ROOT, SOON, TOY, wait_for
from tests.support.node_api import Site, SiteJob
from tests.support.redis import RedisServer, redis_server
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

QUICK = "tests.e2e.quick_worker"
LINES = ("one", "two", "wait here")
ALL = ["l001", "l002", "l003"]
DECISION = ROOT / "docs/decisions/0010-broker-versions.md"


@dataclass
class Node:
    """A node's server: its worker runs, whatever becomes of it."""

    worker: LocalWorker
    redis_url: str
    starts: int = 0

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._keep, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(0.05):
            now = datetime.now(UTC)
            running = self.worker.look(now).running
            self.worker.obey(Order.RUN, now)
            self.starts += not running and self.worker.process is not None
        self.worker.kill()

    def ring(self) -> None:
        """As the main server does, from next to Redis."""
        app = Celery(broker=self.redis_url, set_as_current=False)
        queue = f"node.{self.worker.name}"
        app.send_task(WORK_TASK, queue=queue, expires=DOORBELL_SECONDS, retry=False)

    def kill(self) -> None:
        assert self.worker.process is not None
        self.worker.process.kill()


@dataclass
class Scene:
    site: Site
    server: RedisServer
    path: TcpProxy
    node: Node
    folder: Path

    def begin(self) -> tuple[SiteJob, Text]:
        """A job that has done what it can, and waits."""
        text = Text(self.folder / "text", LINES)
        text.close_gate()
        job = text.submit(self.site)
        wait_for(lambda: self.site.beats and self.site.beats[-1].state == "ready")
        self.node.ring()
        wait_for(lambda: sorted(text.counted()) == ALL)
        return job, text

    def answers_the_doorbell(self, within: float = SOON) -> None:
        """A new job, of which only doorbells tell. They are rung again, as the main server does."""
        job = Text(self.folder / "next", ["one", "two"]).submit(self.site)
        rung = 0.0

        def done() -> bool:
            nonlocal rung
            if time.monotonic() - rung > 1.0:
                self.node.ring()
                rung = time.monotonic()
            return job.state == "succeeded"

        wait_for(done, within)
        assert (words(job), job.attempts, len(job.completions)) == (2, 1, 1)


@contextmanager
def scene(folder: Path, *, app: str, by_path: bool) -> Iterator[Scene]:
    with redis_server() as server, tcp_proxy(server.port) as path:
        site = Site()
        site.orders_claims = False
        disk = ServerFolder(folder / "server")
        disk.disk.mkdir(parents=True)
        disk.token_file.write_text(site.token)
        url = RedisServer(server.folder, path.port).url if by_path else server.url
        environment = {
            **worker_environment(
                "bells", disk, {"SITE_URL": site.url, "REDIS_URL": url}, os.environ
            ),
            "PYTHONPATH": str(ROOT),
        }
        command = ("-m", "celery", "-A", app, "worker", "-n", "bells@%h", *OPTIONS)
        worker = LocalWorker("bells", disk, command, environment, folder / "log")
        node = Node(worker, server.url)
        with node.kept_up():
            yield Scene(site, server, path, node, folder)
        site.close()
        assert site.misunderstood == []


def done_once(job: SiteJob, text: Text) -> None:
    """Neither lost nor run twice."""
    wait_for(lambda: job.state == "succeeded")
    assert sorted(text.counted()) == ALL
    assert (words(job), job.attempts, len(job.completions), job.lost) == (4, 1, 1, 0)


@contextmanager
def heard_of(site: Site) -> Iterator[list[float]]:
    """When the worker's heartbeats came, and when this began and ended."""
    heard, over = [time.monotonic()], threading.Event()

    def watch() -> None:
        known = len(site.beats)
        while not over.wait(0.05):
            if len(site.beats) > known:
                known = len(site.beats)
                heard.append(time.monotonic())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()
        heard.append(time.monotonic())


def be_idle(site: Site) -> None:
    """Wait until the worker has asked for another job and found none."""
    known = len(site.beats)
    wait_for(lambda: len(site.beats) > known + 4 and not any(b.busy for b in site.beats[-4:]))


def test_redis_killed_under_a_job(tmp_path: Path) -> None:
    with scene(tmp_path, app=TOY, by_path=False) as there:
        job, text = there.begin()
        there.server.kill()
        time.sleep(3.0)
        there.server.start()
        text.open_gate()
        done_once(job, text)
        there.answers_the_doorbell()
        assert there.node.starts == 1


def test_the_worker_ends_with_redis(tmp_path: Path) -> None:
    """Whatever a broker's end may do to it: it is started again, and the job goes on."""
    with scene(tmp_path, app=TOY, by_path=False) as there:
        job, text = there.begin()
        there.server.kill()
        there.node.kill()
        wait_for(lambda: there.node.starts == 2)
        there.server.start()
        text.open_gate()
        there.node.ring()
        wait_for(lambda: job.state == "succeeded")
        assert (words(job), job.attempts, len(job.completions)) == (4, 2, 1)
        assert sorted(text.counted()) == [*ALL, "l003"]
        there.answers_the_doorbell()


def test_redis_forgets_everything_under_a_job(tmp_path: Path) -> None:
    with scene(tmp_path, app=TOY, by_path=False) as there:
        job, text = there.begin()
        there.node.ring()
        with redis.Redis.from_url(there.server.url) as client:
            client.flushall()
        text.open_gate()
        done_once(job, text)
        there.answers_the_doorbell()
        assert there.node.starts == 1


def test_the_path_is_dead_but_looks_alive(tmp_path: Path) -> None:
    """The job ends meanwhile; afterwards the path does not know the old connections."""
    with scene(tmp_path, app=QUICK, by_path=True) as there:
        job, text = there.begin()
        there.path.cut()
        text.open_gate()
        done_once(job, text)
        time.sleep(1.0)
        there.path.mend(forget=True)
        there.answers_the_doorbell()
        assert there.node.starts == 1


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("forget", [True, False], ids=["connections forgotten", "they live on"])
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_the_path_is_dead_for_a_minute(tmp_path: Path, forget: bool, busy: bool) -> None:
    """With the patience that workers really have. They are heard of all the while."""
    with scene(tmp_path, app=TOY, by_path=True) as there:
        job, text = there.begin()
        if busy:
            there.path.cut()
        text.open_gate()
        done_once(job, text)
        be_idle(there.site)
        there.path.cut()
        there.site.orders_claims = True
        waiting = Text(tmp_path / "waiting", ["one", "two"]).submit(there.site)
        with heard_of(there.site) as heard:
            time.sleep(60.0)
            there.path.mend(forget=forget)
            wait_for(lambda: waiting.state == "succeeded", 60.0)
        there.site.orders_claims = False
        there.answers_the_doorbell(within=60.0)
        # Sooner than the main server takes a worker for silent.
        assert max(later - one for one, later in pairwise(heard)) < 30.0
        assert there.node.starts == 1


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ten_resets_under_a_job(tmp_path: Path) -> None:
    with scene(tmp_path, app=TOY, by_path=True) as there:
        job, text = there.begin()
        for _ in range(10):
            there.node.ring()
            there.path.reset()
            time.sleep(2.0)
        text.open_gate()
        done_once(job, text)
        there.answers_the_doorbell()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_redis_away_again_and_again(tmp_path: Path) -> None:
    with scene(tmp_path, app=TOY, by_path=False) as there:
        job, text = there.begin()
        for _ in range(3):
            there.server.kill()
            time.sleep(10.0)
            there.server.start()
            time.sleep(5.0)
        text.open_gate()
        done_once(job, text)
        there.answers_the_doorbell()


@pytest.mark.parametrize("package", ["celery", "kombu", "redis"])
def test_the_versions_are_those_that_were_measured(package: str) -> None:
    """Others may be better; `make bench-broker` tells, and the decision is then written anew."""
    title = DECISION.read_text(encoding="utf-8").partition("\n")[0].lower()
    named = {"redis": "redis-py"}.get(package, package)
    assert f"{named} {version(package)}" in title.split(". ", 1)[1].split(", ")

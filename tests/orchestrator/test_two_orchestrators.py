"""Two orchestrators that tick as fast as they can: the cloud is never asked twice for one thing."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection, transaction

from gpu_node.contracts.node_api import WorkerState
from orchestrator import jobs
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.providers.port import (
    ActionFacts,
    ActionResult,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)
from orchestrator.reconciler import Reconciler
from orchestrator.settings import fleet_settings
from orchestrator.states import CloudStatus, JobState, OperationKind, OperationOutcome
from tests.orchestrator.rows import KIND, beat, completion, enrolled, submitted, uuid_of
from tests.orchestrator.test_concurrency import RealClock, at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

NODES = 4
TAKES = 0.03


@dataclass
class _Server:
    status: CloudStatus = CloudStatus.SHELVED_OFFLOADED
    goal: CloudStatus | None = None
    done_at: float = 0.0


class BusyCloud:
    """Carries requests out within a few hundredths of a second, and counts those that conflict."""

    def __init__(self, names: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._servers = {name: _Server() for name in names}
        self._ids = itertools.count(1)
        self.actions_of: dict[str, list[ActionFacts]] = {name: [] for name in names}
        self.conflicts: list[str] = []

    def list(self) -> Sequence[ServerFacts]:
        with self._lock:
            return [self._facts(name) for name in self._servers]

    def get(self, server_id: str) -> ServerFacts:
        with self._lock:
            return self._facts(server_id)

    def unshelve(self, server_id: str) -> str:
        return self._ask(server_id, OperationKind.UNSHELVE)

    def shelve(self, server_id: str) -> str:
        return self._ask(server_id, OperationKind.SHELVE)

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        with self._lock:
            return tuple(reversed(self.actions_of[server_id]))

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        return next(a for a in self.actions(server_id) if a.request_id == request_id)

    def check(self) -> Sequence[Complaint]:
        return ()

    def _ask(self, name: str, kind: OperationKind) -> str:
        # Long enough for the other orchestrator to come in between.
        time.sleep(random.uniform(0, 0.005))  # noqa: S311  # no secret
        with self._lock:
            self._settle(name)
            server = self._servers[name]
            waking = kind is OperationKind.UNSHELVE
            wanted = CloudStatus.SHELVED_OFFLOADED if waking else CloudStatus.ACTIVE
            if server.goal is not None or server.status is not wanted:
                self.conflicts.append(f"{kind} {name}: {server}")
                raise CloudError(CloudErrorKind.CONFLICT, "Not in this state.")
            server.goal = CloudStatus.ACTIVE if waking else CloudStatus.SHELVED_OFFLOADED
            server.done_at = time.monotonic() + TAKES
            request_id = f"req-{next(self._ids)}"
            now = datetime.now(UTC)
            self.actions_of[name].append(
                ActionFacts(request_id, kind, now, ActionResult.OK, "", finished_at=now)
            )
            return request_id

    def _facts(self, name: str) -> ServerFacts:
        self._settle(name)
        server = self._servers[name]
        task = "busy" if server.goal is not None else None
        return ServerFacts(name, name, server.status, task, False)

    def _settle(self, name: str) -> None:
        server = self._servers[name]
        if server.goal is not None and time.monotonic() >= server.done_at:
            server.status, server.goal = server.goal, None


def one_life(node: Node, cloud: BusyCloud, over: threading.Event) -> None:
    """What runs on a node: a worker for as long as the server runs."""
    clock = RealClock()
    while not over.is_set():
        time.sleep(0.01)
        if cloud.get(node.server_id).status is not CloudStatus.ACTIVE:
            continue
        with transaction.atomic():
            orders = beat(node, clock)
        if orders.stop:
            with transaction.atomic():
                beat(node, clock, WorkerState.STOPPED)
            continue
        with transaction.atomic():
            job = jobs.claim(node, "boot-0001", [KIND], clock.now())
        if job is not None:
            with transaction.atomic():
                jobs.complete(node, uuid_of(job), completion(job, clock, job.job), clock.now())


def press_the_button(over: threading.Event) -> None:
    while not over.is_set():
        with transaction.atomic():
            submitted(RealClock())
        time.sleep(0.15)


@contextmanager
def no_idling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A node is put to sleep as soon as it has nothing to do: as many calls as can be."""
    monkeypatch.setenv("FLEET_IDLE_MINUTES", "0")
    monkeypatch.setenv("FLEET_LEASE_SECONDS", "5")
    monkeypatch.setenv("FLEET_TARGET_WAIT_MINUTES", "0")
    fleet_settings.cache_clear()
    yield
    fleet_settings.cache_clear()


def test_the_cloud_is_asked_once_for_each_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 1000 if connection.vendor == "postgresql" else 100
    names = [f"server-gpu-{n}" for n in range(NODES)]
    cloud = BusyCloud(names)
    clock = RealClock()
    asleep = {"cloud_status": CloudStatus.SHELVED_OFFLOADED, "awake_since": None}
    nodes = [enrolled(f"gpu-{n}", clock, **asleep) for n in range(NODES)]
    up = {"site_up_since": clock.now() - timedelta(hours=1), "site_seen_at": clock.now()}
    FleetState.objects.create(pk=1, **up)
    over = threading.Event()
    counted = itertools.count(1)

    def tick() -> None:
        reconciler = Reconciler(cloud, DATABASE_CLOCK, lambda: True, at_once=2)
        try:
            while next(counted) <= ticks:
                reconciler.tick()
        finally:
            over.set()

    tasks: list[Callable[[], None]] = [tick, tick, partial(press_the_button, over)]
    tasks += [partial(one_life, node, cloud, over) for node in nodes]
    with no_idling(monkeypatch):
        at_once(tasks)
    assert cloud.conflicts == []
    made = {a.request_id for actions in cloud.actions_of.values() for a in actions}
    noted = CloudOperation.objects.exclude(request_id="").values_list("request_id", flat=True)
    assert set(noted) == made
    assert CloudOperation.objects.filter(outcome=OperationOutcome.FAILED).count() == 0
    # On a busy machine workers and servers get little of the time that the ticks take.
    assert len(made) >= 2, "hardly anything was asked for: this proves nothing"
    assert Job.objects.filter(state=JobState.SUCCEEDED).exists()
    assert LedgerEntry.objects.filter(ended_at=None).count() <= NODES

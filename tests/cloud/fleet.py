"""The real reconciler over a real Nova, with nodes whose workers live in this process.

Time is the machine's, with leaps: a test need not wait out an hour of backing off.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from uuid import UUID

from gpu_node.contracts.node_api import ClaimedJob, NodeBeat, WorkerState
from orchestrator import jobs, worker_beats
from orchestrator.enrol import enrol
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.providers.openstack import OpenStackProvider
from orchestrator.reconciler import Reconciler, TickReport
from orchestrator.states import AttemptOutcome, JobState, OperationOutcome
from tests.cloud.running import TAG, Cloud
from tests.orchestrator import rows

SETTINGS = {
    "FLEET_IDLE_MINUTES": "0.01",
    "FLEET_LEASE_SECONDS": "10",
    "FLEET_HEARTBEAT_SECONDS": "1",
    "FLEET_TICK_SECONDS": "1",
    "FLEET_PRICE_PER_HOUR": "82.76",
}

_boots = count(1)


class LeapingClock(rows.ManualClock):
    """The machine's time, and what it was set forward by."""

    def __init__(self) -> None:
        super().__init__()
        self.leapt = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.leapt

    def leap(self, seconds: float) -> None:
        self.leapt += timedelta(seconds=seconds)


@dataclass
class Machine:
    """A server's own system: while Nova runs the guest, its worker beats, claims and works."""

    node: Node
    clock: LeapingClock
    boot: str = field(default_factory=lambda: f"boot-{next(_boots):08d}")
    job: ClaimedJob | None = None
    stopped: bool = False

    def step(self) -> None:
        """One heartbeat, and what its answer asks for."""
        if self.stopped:
            return
        now = self.clock.now()
        orders = worker_beats.beat(self.node, self._said(WorkerState.READY), now)
        if self.job is not None:
            done = rows.completion(self.job, self.clock, self.job.job)
            jobs.complete(self.node, UUID(self.job.job), done, now)
            self.job = None
        elif orders.stop:
            worker_beats.beat(self.node, self._said(WorkerState.STOPPED), now)
            self.stopped = True
        else:
            self.job = jobs.claim(self.node, self.boot, [rows.KIND], now)

    def _said(self, state: WorkerState) -> NodeBeat:
        return NodeBeat(
            boot_id=self.boot,
            state=state,
            program_version="0",
            kinds=(rows.KIND,),
            busy=self.job is not None,
        )


class Fleet:
    """Nodes of a cloud, and the reconciler that looks after them."""

    def __init__(self, cloud: Cloud, provider: OpenStackProvider) -> None:
        self.cloud = cloud
        self.clock = LeapingClock()
        self.reports: list[TickReport] = []
        self._reconciler = Reconciler(provider, self.clock, lambda: True)
        self._machines: dict[str, Machine] = {}
        self._before: dict[str, int] = {}
        self._reconciler.tick()
        # Nodes are drained only once the site has been up for a lease.
        hour_ago = self.clock.now() - timedelta(hours=1)
        FleetState.objects.update(site_up_since=hour_ago)

    def enrol(self, name: str, new: bool = False) -> str:
        """A sleeping server that is a node; its id. `new`: nothing was ever asked of it."""
        server = self.cloud.create(name, tag="new=yes" if new else TAG)
        enrol(name, server, rows.token_of(name), self.clock.now())
        self._before[server] = len(self.cloud.posts(server))
        return server

    def submit(self) -> Job:
        return jobs.submit(rows.order(self.clock), self.clock.now()).job

    def tick(self) -> TickReport:
        """One tick, and what must hold after each."""
        report = self._reconciler.tick()
        self.reports.append(report)
        self._whole()
        return report

    def live(self, until: Callable[[], object], seconds: float = 40.0) -> None:
        """Let everybody do what they do until something is so."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.describe()
            self._live()
            self.tick()
            time.sleep(0.05)

    def live_for(self, seconds: float) -> None:
        """Let everybody do what they do for a while."""
        until = time.monotonic() + seconds
        self.live(lambda: time.monotonic() >= until)

    def asked(self, server: str) -> list[str]:
        """What Nova was asked for since the server was enrolled, oldest first."""
        return [what for what, _ in self.cloud.posts(server)[self._before[server] :]]

    def at_rest(self) -> bool:
        """Every job is done, every node sleeps, nothing is billed, and all is settled."""
        busy = Job.objects.exclude(state=JobState.SUCCEEDED).exists()
        return not busy and not self.billed() and not self.cloud.guests()

    def billed(self) -> set[str]:
        """Nodes whose time costs money, as the ledger has it."""
        return set(LedgerEntry.objects.filter(ended_at=None).values_list("node__name", flat=True))

    def operations(self) -> list[CloudOperation]:
        """Calls to the cloud, oldest first."""
        return list(CloudOperation.objects.order_by("intended_at", "pk"))

    def failures(self) -> list[str]:
        """Why calls to the cloud failed, oldest first."""
        failed = CloudOperation.objects.filter(outcome=OperationOutcome.FAILED)
        return list(failed.order_by("intended_at", "pk").values_list("reason", flat=True))

    def state(self, job: Job) -> str:
        job.refresh_from_db()
        return str(job.state)

    def describe(self) -> str:
        return "\n".join(
            [
                *(f"{job.pk} {job.state} {job.reason}" for job in Job.objects.all()),
                *(
                    f"{n.name} {n.wanted} {n.gate} {n.cloud_status}/{n.cloud_task} {n.not_before}"
                    for n in Node.objects.all()
                ),
                *(f"{o.kind} {o.outcome} {o.reason} {o.detail}" for o in self.operations()),
                *(f"{e.cause} {e.started_at} {e.ended_at}" for e in LedgerEntry.objects.all()),
                str(self.reports[-3:]),
            ]
        )

    def _live(self) -> None:
        """Guests that Nova runs and has switched on are up; all others are not."""
        running = self.cloud.guests()
        for node in Node.objects.all():
            there = node.server_id in running
            status, task = self.cloud.status(node.server_id) if there else ("", None)
            if status != "ACTIVE":
                self._machines.pop(node.server_id, None)
            elif task is None:
                self._machines.setdefault(node.server_id, Machine(node, self.clock)).step()

    def _whole(self) -> None:
        for job in Job.objects.all():
            accepted = job.attempts.filter(outcome=AttemptOutcome.SUCCEEDED).count()
            assert accepted == (job.state == JobState.SUCCEEDED)
        live = Attempt.objects.filter(outcome=AttemptOutcome.RUNNING)
        for node in Node.objects.all():
            entries = list(LedgerEntry.objects.filter(node=node).order_by("started_at", "pk"))
            assert sum(entry.ended_at is None for entry in entries) <= 1
            assert all(
                one.ended_at is not None and one.ended_at <= two.started_at
                for one, two in pairwise(entries)
            ), self.describe()
            if node.cloud_task == "shelving":
                assert not live.filter(node=node, lease_until__gte=self.clock.now()).exists()

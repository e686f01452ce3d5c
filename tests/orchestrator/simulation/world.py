"""The fleet, the cloud, the workers and the people, and what must hold whatever they do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

from orchestrator import fleet_control, jobs, ledger
from orchestrator.models import Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.providers.local_state import Fault, Order, WorkerFacts
from orchestrator.reconciler import Reconciler
from orchestrator.states import UNRESOLVED, AttemptOutcome, Cause, JobState
from tests.orchestrator.rows import Killed, ManualClock, enrolled, submitted
from tests.orchestrator.simulation.cloud import SimulatedCloud
from tests.orchestrator.simulation.worker import Disk, Worker

NAMES = ("gpu-1", "gpu-2")
BEAT = 5.0
"""Seconds between two heartbeats; a tick is due at every second one."""

IDLE = 120.0
LEASE = 30.0


class World:
    """Everything there is. `fleet_settings` must have been told IDLE, LEASE and BEAT."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cloud = SimulatedCloud([f"server-{name}" for name in NAMES], self.clock.now)
        self.cloud.on_shelve = self._never_with_a_lease
        for name in NAMES:
            enrolled(name, self.clock, cloud_status="UNKNOWN", awake_since=None)
        self.site_up = True
        self.orchestrator_up = True
        self.cut_off: set[str] = set()
        """Nodes that cannot reach the site, although others can."""
        self._workers: dict[str, Worker] = {}
        self._disks = {name: Disk({}) for name in NAMES}
        self._told: dict[str, datetime] = {}
        self._beats = 0
        self._accepted: dict[str, object] = {}
        self.calm = True
        """Nothing was ever away, and no operator meddled: then the idle limit is exact."""

    def submit(self, priority: int = 0) -> None:
        submitted(self.clock, priority=priority)

    def cancel(self, choice: int) -> None:
        ids = list(Job.objects.order_by("created_at", "pk").values_list("pk", flat=True))
        if ids:
            jobs.cancel(ids[choice % len(ids)], self.clock.now())

    def kill(self, name: str) -> None:
        """SIGKILL of the worker; the host starts another one."""
        self._workers.pop(name, None)
        self._told.pop(name, None)

    def order(self, name: str, what: str) -> None:
        """What an operator says."""
        self.calm = False
        node = Node.objects.get(name=name)
        getattr(fleet_control, what)(node, "ops", self.clock.now())

    def fault(self, name: str, fault: Fault) -> None:
        self.cloud.fail(f"server-{name}", fault)

    def live(self, beats: int) -> None:
        """Let time pass."""
        for _ in range(beats):
            self.clock.advance(BEAT)
            self.cloud.bill(BEAT)
            for name in NAMES:
                self._host(name)
            for name, worker in list(self._workers.items()):
                worker.step(self.site_up and name not in self.cut_off)
            self._beats += 1
            if self.orchestrator_up and self._beats % 2 == 0:
                self.tick()
            self.check()

    def go_away(self, *, site: bool, orchestrator: bool, cloud: bool) -> None:
        """Which of the three cannot be reached from now on."""
        self.calm = self.calm and not (site or orchestrator or cloud)
        self.site_up, self.orchestrator_up, self.cloud.away = not site, not orchestrator, cloud

    def cut(self, name: str) -> None:
        """The line between this node and the site breaks, or is mended."""
        self.calm = False
        self.cut_off ^= {name}

    def tick(self) -> None:
        Reconciler(self.cloud, self.clock, lambda: self.site_up).tick()

    def tick_and_die(self, looks: int) -> None:
        """A tick whose process is killed when it looks at the clock for the nth time."""
        self.calm = False
        # What a process that is gone cannot do any more: give back its lease.
        reconciler = Reconciler(self.cloud, self.clock, lambda: self.site_up)
        self.clock.die_after = looks
        try:
            reconciler.tick()
        except Killed:
            pass
        finally:
            self.clock.die_after = None

    def until(self, reached: Callable[[], object]) -> None:
        """Let time pass until something is so."""
        for _ in range(400):
            if reached():
                return
            self.live(1)
        raise AssertionError(self.describe())

    def busy(self) -> bool:
        """Whether some worker has a job."""
        return any(worker.job for worker in self._workers.values())

    def taken_over(self) -> bool:
        """The site is up, and another orchestrator takes the lease while we look."""
        FleetState.objects.update(tick_token="another")  # noqa: S106  # no secret
        return True

    def settle(self) -> None:
        """Put right whatever was wrong, and let everything come to its end."""
        self.go_away(site=False, orchestrator=False, cloud=False)
        self.cut_off.clear()
        for server in self.cloud.servers.values():
            server.state = server.state.model_copy(update={"faults": ()})
        for name in NAMES:
            self.order(name, "release")
        self.settle_one()

    def settle_one(self) -> None:
        """Let everything come to its end, without putting anything right."""
        for _ in range(60):
            self.live(60)
            if self._at_rest():
                return
        raise AssertionError(self.describe())

    def check(self) -> None:
        """What must hold at every moment."""
        for node in Node.objects.all():
            self._ledger_is_whole(node)
            assert CloudOperation.objects.filter(node=node, outcome__in=UNRESOLVED).count() <= 1
        for job in Job.objects.all():
            accepted = job.attempts.filter(outcome=AttemptOutcome.SUCCEEDED).count()
            assert accepted == (job.state == JobState.SUCCEEDED)
            running = job.attempts.filter(outcome=AttemptOutcome.RUNNING).count()
            assert running == (job.state == JobState.RUNNING)
            if accepted:
                assert self._accepted.setdefault(str(job.pk), job.result) == job.result

    def describe(self) -> str:
        return "\n".join(
            [
                *(f"{job} {job.state} {job.reason}" for job in Job.objects.all()),
                *(
                    f"{n.name} {n.wanted} {n.gate} {n.cloud_status} {n.cloud_task} {n.worker_state}"
                    for n in Node.objects.all()
                ),
            ]
        )

    def _host(self, name: str) -> None:
        """The machine under the server: starts, restarts, stops and kills the worker."""
        worker = self._workers.get(name)
        running = worker is not None and not worker.stopped
        told = self._told.get(name) if running else None
        order = self.cloud.advance(f"server-{name}", WorkerFacts(running, told))
        node = Node.objects.get(name=name)
        match order:
            case Order.RUN if worker is None:
                self._workers[name] = Worker(node, self.clock, self._disks[name])
            case Order.STOP if worker is not None:
                worker.tell_to_stop()
                self._told.setdefault(name, self.clock.now())
            case Order.KILL:
                self.kill(name)
            case Order.NOTHING if worker is not None and worker.stopped:
                if self.cloud.servers[f"server-{name}"].state.status != "ACTIVE":
                    self.kill(name)

    def _never_with_a_lease(self, server_id: str) -> None:
        node = Node.objects.get(server_id=server_id)
        live = Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING)
        assert not live.filter(lease_until__gte=self.clock.now()).exists(), "shelved with a lease"

    def _ledger_is_whole(self, node: Node) -> None:
        entries = ledger.stretches(LedgerEntry.objects.filter(node=node))
        assert sum(entry.end is None for entry in entries) <= 1
        for waking in ledger.wakings(entries):
            assert all(entry.end is not None for entry in waking[:-1])
            assert all(one.end == two.start for one, two in pairwise(waking))
        longest = timedelta(seconds=IDLE + 2 * BEAT)
        idle = [entry for entry in entries if entry.cause is Cause.IDLE and entry.end is not None]
        assert all(one.end - one.start <= longest for one in idle if one.end is not None)
        if self.calm:
            # In the first lease after its start nobody may be drained; later there is no excuse.
            failed = [one for one in entries if one.cause is Cause.FAILURE]
            assert all(
                (one.end or self.clock.now()) - one.start <= timedelta(seconds=LEASE)
                for one in failed
            )

    def _at_rest(self) -> bool:
        busy = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).exists()
        awake = Node.objects.exclude(cloud_status="SHELVED_OFFLOADED").exists()
        return not busy and not awake and not LedgerEntry.objects.filter(ended_at=None).exists()

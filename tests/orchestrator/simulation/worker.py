"""A worker as the node API sees one: beats, claims, reports, dies."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from uuid import UUID

from gpu_node.contracts.node_api import ClaimedJob, NodeBeat, NodeOrders, WorkerState
from orchestrator import jobs, worker_beats
from orchestrator.attempts import Refused
from orchestrator.models import Node
from tests.orchestrator.rows import KIND, ManualClock, completion, job_beat

STEPS = 6
"""A job is so many steps of work."""

_boots = itertools.count(1)


@dataclass(slots=True)
class Disk:
    """What survives a worker's death: how far it got with each job."""

    steps: dict[str, int]


class Worker:
    """One process, from its start to its end."""

    def __init__(self, node: Node, clock: ManualClock, disk: Disk) -> None:
        self.boot_id = f"boot-{next(_boots):08d}"
        self.stopped = False
        self._node = node
        self._clock = clock
        self._disk = disk
        self._held: ClaimedJob | None = None
        self._stopping = False
        self._fresh = True

    @property
    def job(self) -> str | None:
        return self._held.job if self._held else None

    def step(self, site_up: bool) -> None:
        """What it does in one heartbeat's time. It goes on working while the site is away."""
        if self._held is not None:
            done = self._disk.steps.get(self._held.job, 0)
            self._disk.steps[self._held.job] = min(done + 1, STEPS)
        if not site_up or self.stopped:
            return
        self._node.refresh_from_db()
        orders = self._beat(WorkerState.STOPPING if self._stopping else WorkerState.READY)
        if self._held is not None:
            self._report()
        if orders.stop or self._stopping:
            self._leave()
        elif self._held is None and (orders.claim or self._fresh):
            self._held = jobs.claim(self._node, self.boot_id, [KIND], self._clock.now())
            self._fresh = False

    def tell_to_stop(self) -> None:
        """SIGTERM."""
        self._stopping = True

    def _report(self) -> None:
        assert self._held is not None
        held, key = self._held, UUID(self._held.job)
        steps = self._disk.steps.get(held.job, 0)
        try:
            jobs.heartbeat(self._node, key, job_beat(held, steps), self._clock.now())
            if steps < STEPS:
                return
            done = completion(held, self._clock, held.job)
            jobs.complete(self._node, key, done, self._clock.now())
            # The answer may be lost: then it is sent once more.
            jobs.complete(self._node, key, done, self._clock.now())
        except Refused:
            pass
        self._held = None

    def _leave(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            with contextlib.suppress(Refused):
                jobs.release(self._node, UUID(held.job), held.token, self._clock.now())
        self._beat(WorkerState.STOPPED)
        self.stopped = True

    def _beat(self, state: WorkerState) -> NodeOrders:
        said = NodeBeat(
            boot_id=self.boot_id,
            state=state,
            program_version="0",
            kinds=(KIND,),
            busy=self._held is not None,
        )
        return worker_beats.beat(self._node, said, self._clock.now())

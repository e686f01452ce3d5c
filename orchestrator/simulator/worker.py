"""A node's worker as the node API sees it: beats, claims, works, reports, dies, hangs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import (
    ClaimedJob,
    Completion,
    Failure,
    JobBeat,
    NodeBeat,
    NodeOrders,
    WorkerState,
)
from orchestrator import handing_out, jobs, worker_beats
from orchestrator.attempts import Refused
from orchestrator.models import Node
from orchestrator.policy.planner import must_give_back
from orchestrator.simulator.processes import Unreachable
from orchestrator.states import Gate

if TYPE_CHECKING:
    from orchestrator.simulator.world import World


class Fate(StrEnum):
    """What becomes of whoever works on a job."""

    WELL = "well"
    FAILS_ONCE = "fails_once"
    FAILS = "fails"
    LESSON_AT_FAULT = "lesson_at_fault"
    POISON = "poison"
    """Its worker dies at the same step, each time."""


@dataclass(slots=True)
class Work:
    """A job as only the node knows it."""

    steps: int
    seconds: float
    """Of one step."""
    fate: Fate
    failed: int = 0


@dataclass(slots=True)
class Host:
    """The machine under a server. `done`: how far it got with each job, kept on its disk."""

    name: str
    pk: UUID
    server_id: str
    kinds: tuple[str, ...]
    """Of jobs, that it does."""
    done: dict[str, int] = field(default_factory=dict)
    worker: Worker | None = None
    cut: bool = False
    """Whether it cannot reach the site."""
    broken: bool = False
    boots: int = 0


class Worker:
    """One process, from its start to its end."""

    def __init__(self, world: World, host: Host) -> None:
        host.boots += 1
        self.boot_id = f"boot-{host.name}-{host.boots:04d}"
        self.dead = False
        self.deaf = False
        """Whether it does not ask for work, although it is told."""
        self.stubborn = world.rng.random() < 0.15
        """Whether it does not give a job back that it is asked for."""
        self.frozen_until = 0.0
        self._world = world
        self._host = host
        self._held: ClaimedJob | None = None
        self._since = 0.0
        self._stopping = False
        self._stopped = False
        self._fresh = True
        self._finishing = False
        self._claims = 0
        self._claim_id = ""
        self._skew = world.rng.choice([0.97, 1.0, 1.0, 1.03])
        """How fast its own clock goes."""
        self._step()

    @property
    def job(self) -> str | None:
        return self._held.job if self._held is not None else None

    def die(self) -> None:
        self.dead = True
        if self._host.worker is self:
            self._host.worker = None

    def tell_to_stop(self) -> None:
        """SIGTERM."""
        self._stopping = True

    def last_words(self) -> None:
        """What it had said before it died, and what arrives only now."""
        held = self._held
        if held is None:
            return
        beat = JobBeat(token=held.token, steps=self._host.done.get(held.job, 0))
        try:
            self._send(
                "late beat",
                lambda node, now: jobs.heartbeat(node, UUID(held.job), beat, now),
            )
        except (Refused, Unreachable):
            self._world.saw("late words: not taken")

    def ring(self) -> None:
        """The doorbell was heard."""
        if not self._hangs() and self._held is None and not self._stopping:
            self._claim()

    def _hangs(self) -> bool:
        return self.dead or self._stopped or self._world.seconds < self.frozen_until

    def _step(self) -> None:
        """What it does at every heartbeat."""
        if self.dead or self._stopped:
            return
        self._world.after(self._world.rules.heartbeat * self._skew, self._step)
        if self._hangs():
            return
        self._work()
        if self.dead:
            return
        broken = self._host.broken
        state = (
            WorkerState.STOPPING
            if self._stopping
            else WorkerState.BROKEN
            if broken
            else WorkerState.READY
        )
        orders = self._beat(state)
        if self._held is not None:
            self._report(self._held)
        if self._stopping or (orders is not None and orders.stop):
            self._leave()
        elif not broken and self._held is None and (self._fresh or (orders and orders.claim)):
            self._claim()

    def _work(self) -> None:
        """It goes on working whether the site can be reached or not."""
        if self._held is None:
            return
        job = self._held.job
        work = self._world.work[job]
        done = self._host.done.get(job, 0)
        while done < work.steps and self._world.seconds - self._since >= work.seconds:
            if work.fate is Fate.POISON and done >= 1:
                self._world.saw("worker: killed by its job")
                self._world.kill_worker(self._host)
                return
            self._since += work.seconds
            done += 1
        self._host.done[job] = done

    def _beat(self, state: WorkerState) -> NodeOrders | None:
        said = NodeBeat(
            boot_id=self.boot_id,
            state=state,
            program_version="0",
            kinds=self._host.kinds,
            busy=self._held is not None,
            job=self.job,
        )
        try:
            orders = self._send("beat", lambda node, now: worker_beats.beat(node, said, now))
        except Unreachable:
            return None
        return orders if isinstance(orders, NodeOrders) else None

    def _claim(self) -> None:
        if self.deaf:
            return
        if not self._claim_id:
            self._claims += 1
            self._claim_id = f"claim-{self.boot_id}-{self._claims:06d}"
        claim_id, kinds = self._claim_id, self._host.kinds
        try:
            held = self._send(
                "claim", lambda node, now: jobs.claim(node, self.boot_id, kinds, now, claim_id)
            )
        except Unreachable:
            return
        self._fresh, self._claim_id = False, ""
        if isinstance(held, ClaimedJob) and not self.dead:
            self._held, self._since, self._finishing = held, self._world.seconds, False

    def _report(self, held: ClaimedJob) -> None:
        key = UUID(held.job)
        work = self._world.work[held.job]
        steps = self._host.done.get(held.job, 0)
        beat = JobBeat(token=held.token, steps=steps)
        try:
            give_back = not self._finishing and self._send(
                "job beat", lambda node, now: _heartbeat(node, key, beat, now)
            )
            if steps >= work.steps or (work.fate is not Fate.WELL and steps >= 1):
                self._finish(held, work, steps)
            elif give_back and not self.stubborn:
                self._give_back(held)
            if self._held is None and not self._stopping:
                self._claim()
        except Refused:
            self._held, self._finishing = None, False
        except Unreachable:
            # It does not know; at the next heartbeat it tries again.
            return

    def _finish(self, held: ClaimedJob, work: Work, steps: int) -> None:
        """What was said and not answered is said again, and nothing else."""
        key = UUID(held.job)
        self._finishing = True
        failure = _failure(held, work)
        if failure is not None:
            self._send("fail", lambda node, now: jobs.fail(node, key, failure, now))
            work.failed += 1
            self._held = None
        elif steps >= work.steps:
            said = Completion(
                token=held.token,
                result={"by": self.boot_id, "attempt": held.attempt},
                outputs={"video": self._world.blob(f"dub of {held.job}")},
            )
            self._world.request(
                self._host,
                "complete",
                lambda node, now: jobs.complete(node, key, said, now),
                (held.job, held.attempt),
            )
            self._held = None
        self._finishing = False

    def _give_back(self, held: ClaimedJob) -> None:
        key = UUID(held.job)
        self._send("release", lambda node, now: jobs.release(node, key, held.token, now))
        self._held = None

    def _leave(self) -> None:
        try:
            if self._held is not None:
                self._give_back(self._held)
        except Refused:
            self._held = None
        except Unreachable:
            # It stops all the same; the lease runs out.
            self._held = None
        self._beat(WorkerState.STOPPED)
        self._stopped = True

    def _send(self, what: str, act: Callable[[Node, datetime], object]) -> object:
        return self._world.request(self._host, what, act)


def _heartbeat(node: Node, key: UUID, beat: JobBeat, now: datetime) -> bool:
    """As the node API answers it: whether the job is to be given back."""
    attempt = jobs.heartbeat(node, key, beat, now)
    handing_out.spec_of(attempt.job)
    gate = Node.objects.filter(pk=node.pk).values_list("gate", "gate_why")[0]
    return must_give_back(Gate(gate[0]), gate[1])


def _failure(held: ClaimedJob, work: Work) -> Failure | None:
    match work.fate:
        case Fate.FAILS:
            reason = Reason.ENGINE_FAILED
        case Fate.FAILS_ONCE if work.failed == 0:
            reason = Reason.DISK_FULL
        case Fate.LESSON_AT_FAULT:
            reason = next(one for one in Reason if one not in _MACHINE)
        case _:
            return None
    return Failure(token=held.token, reason=reason, sentence="It went wrong.")


_MACHINE = frozenset({Reason.ENGINE_FAILED, Reason.DISK_FULL, Reason.PROGRAM_MISSING})

"""The fleet, its cloud, its workers and its people on one virtual clock."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import Payload
from orchestrator import fleet_control, jobs, store
from orchestrator.attempts import Refused
from orchestrator.doorbell import TICK_TASK
from orchestrator.enrol import enrol
from orchestrator.memory_store import Moment
from orchestrator.models import FleetState, Node, StoredBlob
from orchestrator.reconciler import Reconciler
from orchestrator.simulator.checks import Checks
from orchestrator.simulator.cloud import Cloud, Fault, Server
from orchestrator.simulator.line import Line
from orchestrator.simulator.processes import (
    NEVER,
    Killed,
    Process,
    Unreachable,
    Violation,
    checking_its_deadline,
)
from orchestrator.simulator.rules import Odds, Rules
from orchestrator.simulator.stores import Place
from orchestrator.simulator.surroundings import Bells
from orchestrator.simulator.worker import Fate, Host, Work, Worker
from orchestrator.states import ACTIVE_JOB_STATES, CloudStatus

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

KINDS = ("dub", "narrate")

_DEEPEST = 2
"""So many paused processes may lie on each other: the innermost goes on first."""


class Controller:
    """One orchestrator process after another, each with a token of its own."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.busy = False
        self.down_until = 0.0
        self.rung = False
        self._world = world
        self._reconciler = self._new()

    def _new(self) -> Reconciler:
        return Reconciler(Line(self._world), self._world, lambda: self._world.site_up)

    def free(self) -> bool:
        world = self._world
        return not self.busy and world.seconds >= self.down_until and world.orchestrator_up

    def tick(self) -> None:
        world = self._world
        if not self.free():
            return
        process = world.process(self.name, world.odds.kill_tick, world.odds.pause_tick, most=70)
        began = world.now()
        self.busy = True
        try:
            report = world.run(process, self._reconciler.tick)
        except Killed:
            world.disturbed(f"{self.name} killed")
            self.down_until = world.seconds + world.rng.uniform(1, 40)
            self._reconciler = self._new()
            return
        finally:
            self.busy = False
        if report.skipped:
            world.saw("tick: skipped")
            return
        world.ticks += 1
        if report.cloud_error:
            world.disturbed("cloud error")
        else:
            world.checks.ticked(began)


class World:
    """Everything there is. It is the Clock, and the cloud's Times."""

    def __init__(self, rng: Random, place: Place, rules: Rules, odds: Odds, bells: Bells) -> None:
        self.rng = rng
        self.place = place
        self.rules = rules
        self.odds = odds
        self.seconds = 0.0
        self.ticks = 0
        self.faults = 0
        self.seen: Counter[str] = Counter()
        self.history: list[str] = []
        self.site_up = True
        self.orchestrator_up = True
        self.cloud_away = False
        self.calm_since = 0.0
        """When anything last happened that excuses lateness."""
        self.work: dict[str, Work] = {}
        self.current: Process | None = None
        self._heap: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._order = 0
        self._depth = 0
        names = [f"gpu-{number + 1}" for number in range(rules.nodes)]
        self.checks = Checks(self)
        self.cloud = Cloud(names, self)
        self.cloud.events = _Seen(self)
        self.hosts = {name: self._enrolled(name) for name in names}
        self.cloud.on_power = self._power
        self.cloud.on_term = self._term
        self.cloud.on_post = self.checks.posted
        self.controllers = [
            Controller(self, f"controller-{number + 1}") for number in range(rules.controllers)
        ]
        bells.heard = self._bell
        place.watch = self._moment
        for number in range(rules.beats):
            self._every_tick(1.0 + number * 4.3)

    # ------------------------------------------------------------------------------------- time

    def now(self) -> datetime:
        return self.at(self.seconds)

    def at(self, seconds: float) -> datetime:
        return START + timedelta(milliseconds=round(seconds * 1000))

    def after(self, seconds: float, what: Callable[[], None], *, routine: bool = False) -> None:
        """Have something happen. `routine`: what happens anyway, and is skipped in quiet times."""
        self._order += 1
        heapq.heappush(self._heap, (self.seconds + seconds, self._order, routine, what))

    def run_until(self, seconds: float) -> None:
        """Let everything happen until then."""
        while self._heap and self._heap[0][0] <= seconds:
            at, _, routine, what = heapq.heappop(self._heap)
            self.seconds = max(self.seconds, at)
            if routine and self._depth == 0 and self._quiet():
                self._jump(seconds)
            what()
            self.checks.sample()
        self.seconds = max(self.seconds, seconds)

    def pass_time(self, seconds: float) -> None:
        self.run_until(self.seconds + seconds)

    def until(self, reached: Callable[[], bool], limit: float) -> bool:
        """Let time pass until something is so; False when it was not within the limit."""
        end = self.seconds + limit
        while not reached():
            if self.seconds >= end:
                return False
            self.pass_time(self.rules.tick)
        return True

    def stand_still(self, seconds: float) -> None:
        """The process that runs waits, or is stopped, while the rest of the world goes on."""
        if self._depth >= _DEEPEST or self.place.in_transaction:
            return
        process, self.current = self.current, None
        self._depth += 1
        try:
            self.run_until(self.seconds + seconds)
        finally:
            self._depth -= 1
            self.current = process

    # -------------------------------------------------------------------------------- processes

    def process(self, name: str, kill: float, pause: float = 0.0, *, most: int) -> Process:
        """One that may be killed, or stand still, at any of its first moments."""
        rng = self.rng
        return Process(
            name,
            kill_at=rng.randint(1, most) if rng.random() < kill else NEVER,
            pause_at=rng.randint(1, most) if rng.random() < pause else NEVER,
            pause_for=rng.choice([2.0, 12.0, 40.0, 75.0, 200.0]),
            began=self.seconds,
        )

    def run(self, process: Process, what: Callable[[], Any]) -> Any:
        """Run it. Raises Killed."""
        before, self.current = self.current, process
        try:
            return what()
        finally:
            self.current = before

    def turning(self) -> None:
        """Something that matters was just written: a good moment for trouble."""
        process, rng = self.current, self.rng
        if process is None or rng.random() >= self.odds.turn:
            return
        soon = process.moments + rng.randint(1, 14)
        if rng.random() < 0.5:
            process.kill_at = min(process.kill_at, soon)
        elif process.name != "request":
            process.pause_at = min(process.pause_at, soon)
            process.pause_for = rng.choice([3.0, 40.0, 75.0])
        process.next = min(process.kill_at, process.pause_at)
        if rng.random() < 0.4:
            self.after(rng.uniform(0.05, 8.0), self.submit)

    def call_moment(self) -> None:
        """Right before or after a call to the cloud."""
        process = self.current
        if process is not None:
            process.moments += 1
            if process.moments >= process.next:
                process.reached()

    def _moment(self, moment: Moment) -> None:
        if (
            moment is not Moment.STATEMENT
            and self.place.unread
            and (moment is Moment.COMMITTED or not self.place.in_transaction)
        ):
            self.checks.look()
        process = self.current
        if process is None:
            return
        process.moments += 1
        if process.moments < process.next:
            return
        if process.dead or process.moments >= process.kill_at:
            self.saw(f"killed: {process.name.split('-')[0]} at {moment}")
            self.faults += not process.dead
            process.reached()
        if moment is not Moment.STATEMENT or self.place.in_transaction or self._depth >= _DEEPEST:
            return
        if not checking_its_deadline() and process.pauses():
            self.saw("paused")
            self.faults += 1
            self.disturbed(f"{process.name} stands still for {process.pause_for:.0f} s")
            self.stand_still(process.pause_for)
            self.disturbed(f"{process.name} goes on")

    # ----------------------------------------------------------------------------------- people

    def submit(self, fate: Fate = Fate.WELL, priority: int = 0, steps: int = 4) -> None:
        """Somebody presses the button."""
        source = self._blob("lesson")
        with store.atomic():
            order = jobs.JobOrder(
                payload=Payload(kind=self.rng.choice(KINDS), version=1),
                inputs={"lesson": source},
                priority=priority,
                media_seconds=60.0 * steps,
            )
            job = jobs.submit(order, self.now()).job
        self.work[str(job.pk)] = Work(steps, self.rng.uniform(3, 15), fate)
        self.note(f"submitted {str(job.pk)[:8]}: {fate}, {steps} steps")

    def submit_work(self, seconds: float) -> None:
        """A job that takes so long, in one piece."""
        self.submit(steps=1)
        self.work[next(reversed(self.work))].seconds = seconds

    def cancel(self, choice: int) -> None:
        keys = [UUID(key) for key in self.work]
        if keys:
            self.note("somebody cancels")
            jobs.cancel(keys[choice % len(keys)], self.now())

    def order(self, name: str, what: str) -> None:
        """What an operator says: hold, drain or release."""
        self.disturbed(f"operator: {what} {name}")
        acts = {
            "hold": fleet_control.hold,
            "drain": fleet_control.drain,
            "release": fleet_control.release,
        }
        with store.atomic():
            node = Node.objects.get(pk=self.hosts[name].pk)
            acts[what](node, "ops", self.now())

    def fault(self, name: str, fault: Fault) -> None:
        """Something will go wrong with this server, once."""
        self.faults += 1
        self.note(f"armed: {fault} of {name}")
        self.server(name).faults.append(fault)

    def server(self, name: str) -> Server:
        return self.cloud.servers[self.hosts[name].server_id]

    def kill_worker(self, host: Host) -> None:
        """SIGKILL; its unit starts another."""
        self.faults += 1
        if host.worker is not None:
            self.note(f"{host.name}: worker killed")
            host.worker.die()
            server = self.cloud.servers[host.server_id]
            epoch = server.epoch
            self.after(
                self.rng.uniform(2, 12),
                lambda: self._start(host, server) if server.epoch == epoch else None,
            )

    def freeze_worker(self, host: Host, seconds: float) -> None:
        self.faults += 1
        if host.worker is not None:
            self.disturbed(f"{host.name}: worker hangs for {seconds:.0f} s")
            host.worker.frozen_until = self.seconds + seconds
            self.after(seconds, lambda: self.disturbed(f"{host.name}: worker goes on"))

    def settle(self, limit: float = 12_000.0) -> None:
        """Put everything right, and have it all come to its end."""
        self.odds = Odds()
        self.site_up, self.orchestrator_up, self.cloud_away = True, True, False
        self.cloud.capacity, self.cloud.quota = len(self.hosts), False
        for host in self.hosts.values():
            host.cut = host.broken = False
            server = self.cloud.servers[host.server_id]
            server.faults.clear()
            server.locked = False
            self.cloud.reset(server)
            self.order(host.name, "release")
        self.note("all is well from here on")
        self.checks.settling = True
        if not self.until(self._at_rest, limit):
            raise Violation(f"it does not come to rest:\n{self.describe()}")

    # ------------------------------------------------------------------------------- node's API

    def request(self, host: Host, what: str, act: Callable[[Node, datetime], Any]) -> Any:
        """What a worker says. Raises Unreachable; whether it was heard is not known then."""
        rng, odds = self.rng, self.odds
        if not self.site_up or host.cut:
            raise Unreachable
        if odds.lose_request and rng.random() < odds.lose_request:
            self.saw(f"request lost: {what}")
            self.faults += 1
            raise Unreachable
        if odds.double_request and rng.random() < odds.double_request:
            self.saw(f"request doubled: {what}")
            self.faults += 1
            self.after(rng.uniform(0.1, 120.0), lambda: self._again(host, act))
        answer = self._serve(host, act)
        if odds.lose_answer and rng.random() < odds.lose_answer:
            self.saw(f"answer lost: {what}")
            self.faults += 1
            raise Unreachable
        return answer

    def _serve(self, host: Host, act: Callable[[Node, datetime], Any]) -> Any:
        def handle() -> Any:
            with store.atomic():
                now = self.now()
                return act(Node.objects.get(pk=host.pk), now)

        kill = self.odds.kill_request
        if not kill:
            return handle()
        try:
            return self.run(self.process("request", kill, most=25), handle)
        except Killed:
            raise Unreachable from None

    def _again(self, host: Host, act: Callable[[Node, datetime], Any]) -> None:
        """A message that arrives a second time, late."""
        try:
            self._serve(host, act)
        except (Refused, Unreachable):
            self.saw("late request: refused")
        else:
            self.saw("late request: taken")

    def kinds_of(self, host: Host) -> tuple[str, ...]:  # noqa: ARG002  # every node does all of them
        return KINDS

    def output(self, job: str) -> Blob:
        return self._blob(f"dub of {job}")

    def _blob(self, content: str) -> Blob:
        digest = hashlib.sha256(content.encode()).hexdigest()
        StoredBlob.objects.get_or_create(
            digest=digest, defaults={"size": len(content), "created_at": self.now()}
        )
        return Blob(digest=digest, size=len(content))

    # ------------------------------------------------------------------------------------ hosts

    def _enrolled(self, name: str) -> Host:
        server_id = f"server-{name}"
        token = f"token-of-{name}-that-is-long-enough-to-be-taken"
        return Host(name, enrol(name, server_id, token, self.now()).pk, server_id)

    def _host(self, server: Server) -> Host:
        return self.hosts[server.name]

    def _power(self, server: Server, on: bool) -> None:
        host = self._host(server)
        if not on:
            if host.worker is not None:
                host.worker.die()
            return
        epoch = server.epoch
        if server.takes(Fault.NO_WORKER):
            self.saw("boot: no worker")
            return
        host.broken = server.takes(Fault.BROKEN_WORKER)
        self.saw("boot: broken worker" if host.broken else "boot: worker")
        self.after(
            self.rng.uniform(5, 50),
            lambda: self._start(host, server) if server.epoch == epoch else None,
        )

    def _start(self, host: Host, server: Server) -> None:
        if server.powered and host.worker is None:
            host.worker = Worker(self, host)

    def _term(self, server: Server) -> None:
        worker = self._host(server).worker
        if worker is not None:
            worker.tell_to_stop()

    # -------------------------------------------------------------------------------- doorbells

    def _bell(self, what: str, where: str) -> None:
        if self.rng.random() < self.odds.lose_bell:
            self.saw("doorbell lost")
            return
        if what != TICK_TASK:
            host = self.hosts.get(where.partition(".")[2])
            if host is not None:
                self.after(self.rng.uniform(0.05, 0.5), lambda: self._ring_worker(host))
            return
        controller = self.rng.choice(self.controllers)
        if not controller.rung:
            controller.rung = True
            self.after(self.rng.uniform(0.02, 0.4), lambda: self._rung(controller))

    def _rung(self, controller: Controller) -> None:
        controller.rung = False
        controller.tick()

    def _ring_worker(self, host: Host) -> None:
        if host.worker is not None and self.site_up and not host.cut:
            host.worker.ring()

    def _every_tick(self, wait: float) -> None:
        """The beat's message goes to whoever is free."""

        def tick() -> None:
            self.after(self.rules.tick, tick, routine=True)
            free = [one for one in self.controllers if one.free()]
            if free:
                self.rng.choice(free).tick()

        self.after(wait, tick, routine=True)

    # -------------------------------------------------------------------------------- quietness

    def _quiet(self) -> bool:
        """Whether ticks change nothing until something happens: all sleeps, nobody waits."""
        if not (self.site_up and self.orchestrator_up) or self.cloud_away:
            return False
        return self.checks.asleep() and not any(
            controller.busy or controller.down_until > self.seconds
            for controller in self.controllers
        )

    def _jump(self, limit: float) -> None:
        """Skip the ticks of a quiet time, and have it look as if they had been."""
        real = [at for at, _, routine, _ in self._heap if not routine]
        target = min([*real, limit]) - 2 * self.rules.tick
        skipped = target - self.seconds
        if skipped < 5 * self.rules.tick:
            return
        self.seconds = target
        self._heap = [
            (at + skipped if routine else at, order, routine, what)
            for at, order, routine, what in self._heap
        ]
        heapq.heapify(self._heap)
        state = FleetState.objects.filter(pk=1).first()
        if state is not None and state.site_seen_at is not None:
            seen = state.site_seen_at + timedelta(seconds=skipped)
            FleetState.objects.filter(pk=1).update(site_seen_at=seen)

    def _at_rest(self) -> bool:
        return self.checks.at_rest()

    # ------------------------------------------------------------------------------------ notes

    def saw(self, what: str) -> None:
        self.seen[what] += 1

    def note(self, what: str) -> None:
        self.history.append(f"{self.seconds:9.1f}  {what}")

    def disturbed(self, what: str) -> None:
        """Something that excuses lateness."""
        self.calm_since = self.seconds
        self.note(what)

    def describe(self) -> str:
        return "\n".join([*self.history[-60:], *self.checks.describe()])

    def unfinished(self) -> bool:
        return any(row["state"] in ACTIVE_JOB_STATES for row in self.checks.jobs().values())

    def gone(self) -> int:
        return sum(s.status is CloudStatus.DELETED for s in self.cloud.servers.values())


class _Seen(list[str]):
    """What the cloud notes goes where all else goes."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, event: str) -> None:
        self._world.saw(event)
        self._world.note(event)

"""The fleet, its cloud, its workers and its people on one virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from orchestrator.memory_store import Moment
from orchestrator.models import FleetState
from orchestrator.simulator.checks import Checks
from orchestrator.simulator.cloud import Cloud
from orchestrator.simulator.controllers import Bell
from orchestrator.simulator.machines import Machines
from orchestrator.simulator.people import KINDS, People
from orchestrator.simulator.processes import (
    NEVER,
    Process,
    Violation,
    checking_its_deadline,
)
from orchestrator.simulator.requests import Requests
from orchestrator.simulator.rules import Odds, Rules
from orchestrator.simulator.servers import Fault, Server
from orchestrator.simulator.stores import Place
from orchestrator.simulator.surroundings import Bells, follow
from orchestrator.simulator.timeline import Timeline
from orchestrator.simulator.worker import Host, Work
from orchestrator.states import CloudStatus

_DEEPEST = 2
"""So many paused processes may lie on each other: the innermost goes on first."""

_NOTES_NEVER_COME = 100_000.0
"""After so long the ledger is settled even if the cloud has not written the end of it."""


class World(Timeline):
    """Everything there is."""

    all_kinds = KINDS

    def __init__(self, rng: Random, place: Place, rules: Rules, odds: Odds, bells: Bells) -> None:
        super().__init__()
        self.rng = rng
        self.place = place
        self.rules = rules
        self.odds = odds
        self.warm = rules.keep_warm > 0
        """Whether nodes were ever to stay up without work."""
        self.ticks = 0
        self.faults = 0
        self.seen: Counter[str] = Counter()
        self.history: list[str] = []
        self.orchestrator_up = True
        self.cloud_away = False
        self.calm_since = 0.0
        """When anything last happened that excuses lateness."""
        self.asked_at = self.now()
        """When the request to the cloud that is under way was begun."""
        self.work: dict[str, Work] = {}
        self.cancelled: set[str] = set()
        self.new_work = False
        """Whether no controller has looked at it yet."""
        self.current: Process | None = None
        self._site_up = True
        self._site_since = 0.0
        self._away_since, self._away_seen = 0.0, False
        self._depth = 0
        names = [f"gpu-{number + 1}" for number in range(rules.nodes)]
        self.checks = Checks(self)
        self.cloud = Cloud(names, self, rules)
        self.cloud.events = _Seen(self)
        self.machines = Machines(self)
        self.hosts = {
            name: self.machines.enrolled(number, name) for number, name in enumerate(names)
        }
        self.cloud.on_power = self.machines.power
        self.cloud.on_term = self.machines.term
        self.cloud.on_post = self.checks.posted
        self.kill_worker = self.machines.kill_worker
        self.freeze_worker = self.machines.freeze_worker
        people = People(self)
        self.submit, self.submit_work = people.submit, people.submit_work
        self.cancel, self.order, self.blob = people.cancel, people.order, people.blob
        self.request = Requests(self).send
        self.bell = Bell(self)
        bells.heard = self.bell.ring
        place.watch = self._moment

    # --------------------------------------------------------------------------------- the site

    @property
    def site_up(self) -> bool:
        """Whether the main server can be reached."""
        return self._site_up

    @site_up.setter
    def site_up(self, up: bool) -> None:
        if self._site_up and not up:
            self._away_since, self._away_seen = self.seconds, False
        # One shorter than a tick, in which nobody looked, is none that anybody can know of.
        brief = self.seconds - self._away_since <= self.rules.tick and not self._away_seen
        if up and not self._site_up and not brief:
            self._site_since = self.seconds
        self._site_up = up

    def look_at_site(self) -> bool:
        """As a controller looks at it."""
        self._away_seen = self._away_seen or not self._site_up
        return self._site_up

    def site_up_for(self) -> float:
        """How long it has been so without a gap."""
        return self.seconds - self._site_since if self._site_up else 0.0

    # -------------------------------------------------------------------------------- processes

    def process(self, name: str, kill: float, pause: float = 0.0, *, most: int) -> Process:
        """One that may be killed, or stand still, at any of its first moments."""
        rng = self.rng
        process = Process(
            name,
            kill_at=rng.randint(1, most) if rng.random() < kill else NEVER,
            pause_at=rng.randint(1, most) if rng.random() < pause else NEVER,
            pause_for=rng.choice([2.0, 12.0, 40.0, 75.0, 200.0]),
            began=self.seconds,
        )
        if pause and self.new_work:
            self.new_work = False
            if rng.random() < self.odds.turn:
                # For so long that another plans meanwhile, and each wants to wake somebody.
                process.pause_at, process.pause_for = rng.randint(10, most), 75.0
                process.next = min(process.kill_at, process.pause_at)
        return process

    def run(self, process: Process, what: Callable[[], Any]) -> Any:
        """Run it. Raises Killed."""
        before, self.current = self.current, process
        try:
            return what()
        finally:
            self.current = before

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

    def turning(self, kills: float = 0.5) -> None:
        """Something that matters was just written: a good moment for trouble.

        `kills`: how much of it is a death; the rest is a stop, and the more so work and orders that
        come meanwhile.
        """
        process, rng = self.current, self.rng
        if process is None or rng.random() >= self.odds.turn:
            return
        soon = process.moments + rng.randint(1, 14)
        if rng.random() < kills:
            process.kill_at = min(process.kill_at, soon)
        elif process.name != "request":
            process.pause_at = min(process.pause_at, soon)
            process.pause_for = rng.choice([3.0, 8.0, 40.0, 75.0])
        process.next = min(process.kill_at, process.pause_at)
        if rng.random() < 0.5:
            self.after(rng.uniform(0.05, 3.0), self.submit)
        if rng.random() < 0.15:
            name = rng.choice([*self.hosts])
            self.after(rng.uniform(0.05, 3.0), lambda: self._held_for_a_while(name))

    def _held_for_a_while(self, name: str) -> None:
        if not self.checks.settling:
            self.order(name, "hold")
            self.after(self.rng.uniform(30, 300), lambda: self.order(name, "release"))

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

    # ------------------------------------------------------------------------------------ order

    def fault(self, name: str, fault: Fault) -> None:
        """Something will go wrong with this server, once."""
        self.faults += 1
        self.note(f"armed: {fault} of {name}")
        self.server(name).faults.append(fault)

    def server(self, name: str) -> Server:
        return self.cloud.servers[self.hosts[name].server_id]

    def kinds_of(self, host: Host) -> tuple[str, ...]:
        return host.kinds

    def gone(self) -> int:
        return sum(s.status is CloudStatus.DELETED for s in self.cloud.servers.values())

    def settle(self, limit: float = 12_000.0) -> None:
        """Put everything right, and have it all come to its end."""
        self.odds = Odds()
        self.rules = replace(self.rules, keep_warm=0, budget=Decimal(0))
        follow(self.rules)
        self.site_up, self.orchestrator_up, self.cloud_away = True, True, False
        self.cloud.capacity, self.cloud.quota = len(self.hosts), False
        for host in self.hosts.values():
            host.cut = host.broken = False
            if host.worker is not None:
                host.worker.deaf = False
            server = self.cloud.servers[host.server_id]
            server.faults.clear()
            server.locked = False
            self.cloud.reset(server)
            self.order(host.name, "release")
        self.note("all is well from here on")
        self.checks.settling = True
        if not self.until(self.checks.at_rest, limit, self.rules.tick):
            raise Violation(f"it does not come to rest:\n{self.describe()}")
        self.checks.rested()

    def settle_the_bill(self) -> None:
        """Once all sleeps, what was written down is compared with the cloud's notes."""
        done = [
            self.until(lambda: not self.checks.unsettled(), limit, every)
            for limit, every in ((600.0, self.rules.tick), (_NOTES_NEVER_COME, 1800.0))
        ]
        if not done[-1]:
            left = "; ".join(self.checks.unsettled())
            raise Violation(f"the ledger is never settled: {left}\n{self.describe()}")

    # -------------------------------------------------------------------------------- quietness

    def quiet(self) -> bool:
        """Whether ticks change nothing until something happens: all sleeps, nobody waits."""
        if self._depth or not (self.site_up and self.orchestrator_up) or self.cloud_away:
            return False
        return self.checks.asleep() and self.bell.idle()

    def margin(self) -> float:
        return 2 * self.rules.tick

    def happened(self) -> None:
        self.checks.sample()

    def skipped(self, seconds: float) -> None:
        """Have it look as if the ticks that were left out had been."""
        state = FleetState.objects.filter(pk=1).first()
        if state is not None and state.site_seen_at is not None:
            seen = state.site_seen_at + timedelta(seconds=seconds)
            FleetState.objects.filter(pk=1).update(site_seen_at=seen)

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


class _Seen(list[str]):
    """What the cloud notes goes where all else goes."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, event: str) -> None:
        self._world.saw(event)
        self._world.note(event)

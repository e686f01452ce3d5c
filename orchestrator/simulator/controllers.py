"""The orchestrator's processes, the beat, and the doorbells that wake them and the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.doorbell import TICK_TASK
from orchestrator.reconciler import Reconciler
from orchestrator.simulator.line import Line
from orchestrator.simulator.processes import Killed
from orchestrator.simulator.worker import Host

if TYPE_CHECKING:
    from orchestrator.simulator.world import World


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
        world = self._world
        return Reconciler(
            Line(world),
            world,
            world.look_at_site,
            at_once=world.rules.at_once,
            shell=world.machines.restart,
        )

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


class Bell:
    """Celery: what it carries arrives a little later, or never."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.controllers = [
            Controller(world, f"controller-{number + 1}")
            for number in range(world.rules.controllers)
        ]
        for number in range(world.rules.beats):
            self._every_tick(1.0 + number * 4.3)

    def idle(self) -> bool:
        """Whether no controller is about to do anything but its next tick."""
        now = self._world.seconds
        return not any(one.busy or one.down_until > now for one in self.controllers)

    def ring(self, what: str, where: str) -> None:
        world = self._world
        if world.rng.random() < world.odds.lose_bell:
            world.saw("doorbell lost")
            return
        if what != TICK_TASK:
            host = world.hosts.get(where.partition(".")[2])
            if host is not None:
                world.after(world.rng.uniform(0.05, 0.5), lambda: self._ring_worker(host))
            return
        controller = world.rng.choice(self.controllers)
        if not controller.rung:
            controller.rung = True
            world.after(world.rng.uniform(0.02, 0.4), lambda: self._rung(controller))

    def _rung(self, controller: Controller) -> None:
        controller.rung = False
        controller.tick()

    def _ring_worker(self, host: Host) -> None:
        if host.worker is not None and self._world.site_up and not host.cut:
            host.worker.ring()

    def _every_tick(self, wait: float) -> None:
        """The beat's message goes to whoever is free."""
        world = self._world

        def tick() -> None:
            world.after(world.rules.tick, tick, routine=True)
            free = [one for one in self.controllers if one.free()]
            if free:
                world.rng.choice(free).tick()

        world.after(wait, tick, routine=True)

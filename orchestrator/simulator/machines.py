"""The machines under the servers: what starts on them when they are woken, and what befalls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.enrol import enrol
from orchestrator.simulator.people import KINDS
from orchestrator.simulator.servers import Fault, Server
from orchestrator.simulator.worker import Host, Worker

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

_KINDS = (KINDS, KINDS[:1], KINDS[1:])
"""What the nodes do where they are not alike: the first one does all of it."""


class Machines:
    """A host for each server, and the unit on it that starts its worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def enrolled(self, number: int, name: str) -> Host:
        world = self._world
        server_id = f"server-{name}"
        token = f"token-of-{name}-that-is-long-enough-to-be-taken"
        kinds = _KINDS[number % len(_KINDS)] if world.rules.kinds_differ else KINDS
        return Host(name, enrol(name, server_id, token, world.now()).pk, server_id, kinds)

    def power(self, server: Server, on: bool) -> None:
        """The guest of this server has started, or is off."""
        world, host = self._world, self._host(server)
        if not on:
            worker = host.worker
            if worker is not None:
                worker.die()
                world.after(world.rng.uniform(1, 300), worker.last_words)
            return
        epoch = server.epoch
        if server.takes(Fault.NO_WORKER):
            world.saw("boot: no worker")
            return
        host.broken = server.takes(Fault.BROKEN_WORKER)
        world.saw("boot: broken worker" if host.broken else "boot: worker")
        world.after(
            world.rng.uniform(5, 50),
            lambda: self._start(host, server) if server.epoch == epoch else None,
        )

    def term(self, server: Server) -> None:
        worker = self._host(server).worker
        if worker is not None:
            worker.tell_to_stop()

    def kill_worker(self, host: Host) -> None:
        """SIGKILL; its unit starts another."""
        world = self._world
        world.faults += 1
        if host.worker is not None:
            world.note(f"{host.name}: worker killed")
            self._again(host)

    def freeze_worker(self, host: Host, seconds: float) -> None:
        world = self._world
        world.faults += 1
        if host.worker is not None:
            world.disturbed(f"{host.name}: worker hangs for {seconds:.0f} s")
            host.worker.frozen_until = world.seconds + seconds
            world.after(seconds, lambda: world.disturbed(f"{host.name}: worker goes on"))

    def deafen_worker(self, host: Host) -> None:
        """It beats, and does not ask for work any more, until it is started anew."""
        world = self._world
        world.faults += 1
        if host.worker is not None:
            world.disturbed(f"{host.name}: worker is deaf")
            host.worker.deaf = True

    def restart(self, name: str, address: str) -> str:
        """Over SSH, by an orchestrator."""
        host = self._world.hosts[name]
        self._world.saw("worker restarted over SSH")
        self._world.disturbed(f"{name}: worker restarted at {address}")
        if host.worker is not None:
            self._again(host)
        return "It was started anew."

    def _again(self, host: Host) -> None:
        world = self._world
        if host.worker is not None:
            host.worker.die()
        server = world.cloud.servers[host.server_id]
        epoch = server.epoch
        world.after(
            world.rng.uniform(2, 12),
            lambda: self._start(host, server) if server.epoch == epoch else None,
        )

    def _start(self, host: Host, server: Server) -> None:
        if server.powered and host.worker is None:
            host.worker = Worker(self._world, host)

    def _host(self, server: Server) -> Host:
        return self._world.hosts[server.name]

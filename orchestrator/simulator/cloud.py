"""A cloud that shelves and unshelves as Nova does, with all that goes wrong there.

A request is answered at once and sets the server's task; what becomes of it shows later, or never:
without capacity a server is simply what it was before, and a shelve that fails leaves it ACTIVE,
and SHUTOFF after the next power synchronization. What is billed is noted here second by second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from orchestrator.providers.port import (
    ActionFacts,
    ActionFailure,
    ActionResult,
    CloudError,
    CloudErrorKind,
    ServerFacts,
)
from orchestrator.simulator.rules import Rules
from orchestrator.simulator.servers import Action, Billed, Fault, Server
from orchestrator.states import FREE_STATUSES, CloudStatus, OperationKind

POWER_SYNC = 900.0
"""Seconds until Nova notices that a guest is off (sync_power_state_interval: 600 and more)."""

OFFLOAD_POLL = 1200.0
"""Until one that was left SHELVED is offloaded after all; Nova's own poll is hourly."""

SHELVABLE = frozenset(
    {CloudStatus.ACTIVE, CloudStatus.SHUTOFF, CloudStatus.PAUSED, CloudStatus.SUSPENDED}
)


class Times(Protocol):
    """What the cloud needs of the world."""

    rng: Random

    def now(self) -> datetime: ...

    def after(self, seconds: float, what: Callable[[], None]) -> None: ...


class Cloud:
    """The servers, and what is done to them. `on_power` hears of guests that start and stop."""

    def __init__(self, names: Sequence[str], world: Times, rules: Rules) -> None:
        self.servers = {
            f"server-{name}": Server(name, address=f"10.0.0.{number}" if rules.reachable else "")
            for number, name in enumerate(names, 1)
        }
        self.strangers = [
            ServerFacts(f"stranger-{number}", name, CloudStatus.ACTIVE, None, locked=False)
            for number, name in enumerate(rules.strangers)
        ]
        """They have the fleet's tag, and are nobody's."""
        self._clock = timedelta(seconds=round(rules.cloud_clock, 3))
        self.capacity = len(names)
        self.quota = False
        self.on_power: Callable[[Server, bool], None] = lambda _, __: None
        self.on_term: Callable[[Server], None] = lambda _: None
        self.on_post: Callable[[Server, str, OperationKind], None] = lambda _, __, ___: None
        self.events: list[str] = []
        self._world = world
        self._ids = 0

    # What can be asked

    def list(self) -> Sequence[ServerFacts]:
        ours = [
            self._facts(server_id, one)
            for server_id, one in self.servers.items()
            if one.status is not CloudStatus.DELETED
        ]
        return [*ours, *self.strangers]

    def get(self, server_id: str) -> ServerFacts:
        return self._facts(server_id, self._there(server_id))

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        server = self._there(server_id)
        server.list_read_after = True
        return [action.facts(self._clock, whole=False) for action in reversed(server.actions)]

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        for action in self._there(server_id).actions:
            if action.request_id == request_id:
                return action.facts(self._clock, whole=True)
        raise CloudError(CloudErrorKind.GONE, "There is no such action.")

    def unshelve(self, server_id: str) -> str:
        server = self._there(server_id)
        self.on_post(server, server_id, OperationKind.UNSHELVE)
        self._may(server, {CloudStatus.SHELVED_OFFLOADED, CloudStatus.SHELVED})
        if self.quota:
            raise CloudError(CloudErrorKind.QUOTA, "The quota is exceeded.")
        return self.begin_unshelve(server, foreign=False)

    def shelve(self, server_id: str) -> str:
        server = self._there(server_id)
        self.on_post(server, server_id, OperationKind.SHELVE)
        self._may(server, SHELVABLE)
        return self.begin_shelve(server, foreign=False)

    # What is done

    def begin_unshelve(self, server: Server, *, foreign: bool) -> str:
        action = self._begin(server, OperationKind.UNSHELVE, foreign=foreign)
        if server.status is CloudStatus.SHELVED:
            self._set(server, task="powering-on")
            self._then(server, self._seconds(1, 5), lambda: self._up(server, action))
            return action.request_id
        self._set(server, task="unshelving", foreign=foreign)
        self._then(server, self._seconds(0.2, 2), lambda: self._schedule(server, action))
        return action.request_id

    def begin_shelve(self, server: Server, *, foreign: bool) -> str:
        action = self._begin(server, OperationKind.SHELVE, foreign=foreign)
        self._set(server, task="shelving", foreign=foreign)
        self.on_term(server)
        self._then(server, self._seconds(1, 20), lambda: self._upload(server, action))
        return action.request_id

    def stop(self, server: Server) -> None:
        """Somebody stops it."""
        if server.status is CloudStatus.ACTIVE and server.task is None:
            server.epoch += 1
            self._power(server, on=False)
            self._set(server, status=CloudStatus.SHUTOFF)

    def start(self, server: Server) -> None:
        if server.status is CloudStatus.SHUTOFF and server.task is None:
            server.epoch += 1
            self._set(server, status=CloudStatus.ACTIVE)
            self._power(server, on=True)

    def break_down(self, server: Server) -> None:
        """It goes to ERROR, and stays there until a person resets it."""
        server.epoch += 1
        self._power(server, on=False)
        self._fail_open(server)
        self._set(server, status=CloudStatus.ERROR, task="", foreign=True)

    def reset(self, server: Server) -> None:
        if server.status is CloudStatus.ERROR:
            server.epoch += 1
            self._set(server, status=CloudStatus.SHUTOFF, foreign=True)

    def delete(self, server: Server) -> None:
        server.epoch += 1
        self._power(server, on=False)
        self._set(server, status=CloudStatus.DELETED, task="", foreign=True)

    # How it goes on

    def _schedule(self, server: Server, action: Action) -> None:
        used = sum(one.status not in FREE_STATUSES for one in self.servers.values())
        waking = sum(one.task == "spawning" for one in self.servers.values())
        if server.takes(Fault.NO_CAPACITY) or used + waking >= self.capacity:
            self.events.append("unshelve: no capacity")
            self._failed(server, action, ActionFailure.CAPACITY)
            return
        if server.takes(Fault.IMAGE_LOST):
            self.events.append("unshelve: image lost")
            action.failure = ActionFailure.IMAGE
            self._end(action, ActionResult.FAILED)
            self._set(server, status=CloudStatus.ERROR, task="", foreign=True)
            return
        self._set(server, task="spawning")
        stuck = server.takes(Fault.UNSHELVE_STUCK)
        self.events.append("unshelve: stuck" if stuck else "unshelve: spawning")
        wait = self._seconds(300, 900) if stuck else self._seconds(3, 40)
        self._then(server, wait, lambda: self._spawned(server, action))

    def _spawned(self, server: Server, action: Action) -> None:
        if server.takes(Fault.SPAWN_FAILS):
            self.events.append("unshelve: spawn failed")
            self._failed(server, action, ActionFailure.BOOT)
            return
        self._up(server, action)

    def _up(self, server: Server, action: Action) -> None:
        self.events.append("unshelve: active")
        self._end(action, ActionResult.OK)
        self._set(server, status=CloudStatus.ACTIVE, task="")
        self._power(server, on=True)

    def _upload(self, server: Server, action: Action) -> None:
        self._power(server, on=False)
        self._set(server, task="shelving_image_uploading")
        slow = server.takes(Fault.SLOW_UPLOAD)
        wait = self._seconds(300, 1000) if slow else self._seconds(2, 40)
        self._then(server, wait, lambda: self._uploaded(server, action))

    def _uploaded(self, server: Server, action: Action) -> None:
        if server.takes(Fault.SHELVE_FAILS):
            self.events.append("shelve: reverted")
            self._failed(server, action, ActionFailure.SHELVE)
            if server.status is CloudStatus.ACTIVE:
                self._then(server, POWER_SYNC, lambda: self._synced(server))
            return
        self._set(server, status=CloudStatus.SHELVED, task="shelving_offloading")
        self._then(server, self._seconds(0.5, 6), lambda: self._offload(server, action))

    def _offload(self, server: Server, action: Action) -> None:
        if server.takes(Fault.OFFLOAD_FAILS):
            self.events.append("shelve: left shelved")
            self._failed(server, action, ActionFailure.SHELVE)
            self._then(server, OFFLOAD_POLL, lambda: self._poll_offload(server))
            return
        self.events.append("shelve: offloaded")
        self._end(action, ActionResult.OK)
        self._set(server, status=CloudStatus.SHELVED_OFFLOADED, task="")

    def _poll_offload(self, server: Server) -> None:
        self.events.append("shelve: offloaded by the poll")
        self._set(server, status=CloudStatus.SHELVED_OFFLOADED, task="", foreign=True)

    def _synced(self, server: Server) -> None:
        self.events.append("shelve: power synchronized")
        self._set(server, status=CloudStatus.SHUTOFF)

    def _failed(self, server: Server, action: Action, failure: ActionFailure) -> None:
        action.failure = failure
        self._end(action, ActionResult.FAILED)
        self._set(server, task="")

    def _fail_open(self, server: Server) -> None:
        for action in server.actions:
            if action.result is None:
                action.failure = ActionFailure.UNKNOWN
                self._end(action, ActionResult.FAILED)

    def _begin(self, server: Server, kind: OperationKind, *, foreign: bool) -> Action:
        self._ids += 1
        action = Action(f"req-{self._ids}", kind, self._world.now(), foreign=foreign)
        server.actions.append(action)
        if not foreign:
            server.list_read_after = False
        server.epoch += 1
        return action

    def _end(self, action: Action, result: ActionResult) -> None:
        action.result, action.finished_at = result, self._world.now()

    def _may(self, server: Server, statuses: frozenset[CloudStatus] | set[CloudStatus]) -> None:
        if server.locked:
            raise CloudError(CloudErrorKind.LOCKED, "The server is locked.")
        if server.task is not None or server.status not in statuses:
            raise CloudError(CloudErrorKind.CONFLICT, f"It is {server.status}/{server.task}.")

    def _there(self, server_id: str) -> Server:
        server = self.servers[server_id]
        if server.status is CloudStatus.DELETED:
            raise CloudError(CloudErrorKind.GONE, "There is no such server.")
        return server

    def _facts(self, server_id: str, server: Server) -> ServerFacts:
        return ServerFacts(
            server_id,
            server.name,
            server.status,
            server.task,
            server.locked,
            address=server.address,
        )

    def _seconds(self, low: float, high: float) -> float:
        return self._world.rng.uniform(low, high)

    def _then(self, server: Server, seconds: float, what: Callable[[], None]) -> None:
        epoch = server.epoch

        def still() -> None:
            if server.epoch == epoch:
                what()

        self._world.after(seconds, still)

    def _power(self, server: Server, *, on: bool) -> None:
        if server.powered != on:
            server.powered = on
            self.on_power(server, on)

    def _set(
        self,
        server: Server,
        *,
        status: CloudStatus | None = None,
        task: str | None = None,
        foreign: bool = False,
    ) -> None:
        """`task`: None leaves it as it is, and an empty one ends it."""
        if status is not None:
            server.status = status
        if task is not None:
            server.task = task or None
        billed = server.status not in FREE_STATUSES or (
            server.status is CloudStatus.SHELVED_OFFLOADED and server.task is not None
        )
        last = server.billed[-1] if server.billed else None
        if last is not None and last.end is None:
            last.foreign = last.foreign or foreign
            if not billed:
                last.end = self._world.now()
        elif billed:
            server.billed.append(Billed(self._world.now(), foreign=foreign))

"""A local "server" as Nova would describe it, and what may become of it next. Pure.

The cloud's half (`ask_unshelve`, `ask_shelve`) answers at once and only writes down a task. The
host's half (`advance`) carries the task out, and says what is to be done with the worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestrator.providers.port import (
    ActionFacts,
    ActionFailure,
    ActionResult,
    CloudError,
    CloudErrorKind,
    ServerFacts,
)
from orchestrator.states import CloudStatus, OperationKind


class Task(StrEnum):
    """What is being done to a server, as Nova names it."""

    UNSHELVING = "unshelving"
    SPAWNING = "spawning"
    SHELVING = "shelving"


MAY_UNSHELVE = frozenset({CloudStatus.SHELVED, CloudStatus.SHELVED_OFFLOADED})
MAY_SHELVE = frozenset(
    {CloudStatus.ACTIVE, CloudStatus.SHUTOFF, CloudStatus.PAUSED, CloudStatus.SUSPENDED}
)

_ACTIONS_KEPT = 50

NO_CAPACITY = "No valid host was found. There are not enough hosts available."
SHELVE_FAILED = "The server's disk could not be saved."


class Fault(StrEnum):
    """Something that goes wrong, as it does in a real cloud. Each happens once, in order."""

    NO_CAPACITY = "no_capacity"
    """The next unshelving ends where it began, without a word."""
    BOOT_HANGS = "boot_hangs"
    """The next unshelving ends ACTIVE, but no worker ever starts."""
    SHELVE_FAILS = "shelve_fails"
    """The next shelving powers the server off and leaves it ACTIVE, and billed."""


class Guest(StrEnum):
    """What the server's own system does while it is ACTIVE; the cloud does not know."""

    RUNNING = "running"
    HUNG = "hung"
    OFF = "off"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Action(_Kept):
    """A request that was accepted."""

    request_id: str
    kind: OperationKind
    started_at: AwareDatetime
    result: ActionResult | None = None
    message: str = ""
    failure: ActionFailure | None = None
    finished_at: AwareDatetime | None = None


class ServerState(_Kept):
    """What is known of a server. A server nobody has heard of yet sleeps."""

    status: CloudStatus = CloudStatus.SHELVED_OFFLOADED
    task_state: Task | None = None
    locked: bool = False
    guest: Guest = Guest.OFF
    since: AwareDatetime | None = None
    """When `status` or `task_state` last changed."""
    actions: tuple[Action, ...] = ()
    """Newest first."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """`boot`: from the request to the start of the worker; `stop`: what a worker has to end."""

    boot: timedelta
    stop: timedelta

    @property
    def spawn(self) -> timedelta:
        """The cloud's part of the boot. The rest is the server's own, when it is ACTIVE already."""
        return self.boot / 2


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The worker's process, as the host sees it. `told_at`: when it was told to stop."""

    running: bool = False
    told_at: datetime | None = None


class Order(StrEnum):
    """What the host has to do with the worker now."""

    NOTHING = "nothing"
    RUN = "run"
    """It has to be up: start it if it is not."""
    STOP = "stop"
    KILL = "kill"


def facts(server_id: str, state: ServerState) -> ServerFacts:
    """What the cloud's list says of the server."""
    return ServerFacts(server_id, server_id, state.status, state.task_state, state.locked)


def action_facts(state: ServerState) -> tuple[ActionFacts, ...]:
    """The server's actions, newest first."""
    return tuple(
        ActionFacts(
            one.request_id,
            one.kind,
            one.started_at,
            one.result,
            one.message,
            one.failure,
            one.finished_at,
        )
        for one in state.actions
    )


def action_of(state: ServerState, request_id: str) -> ActionFacts:
    """One of them. Raises CloudError(GONE)."""
    for one in action_facts(state):
        if one.request_id == request_id:
            return one
    raise CloudError(CloudErrorKind.GONE, "The cloud does not know of this request.", request_id)


def ask_unshelve(state: ServerState, request_id: str, now: datetime) -> ServerState:
    """Take a request to wake the server. Raises CloudError(LOCKED or CONFLICT)."""
    _check(state, MAY_UNSHELVE, "woken")
    return _accepted(state, OperationKind.UNSHELVE, Task.UNSHELVING, request_id, now)


def ask_shelve(state: ServerState, request_id: str, now: datetime) -> ServerState:
    """Take a request to put the server to sleep. Raises CloudError(LOCKED or CONFLICT)."""
    _check(state, MAY_SHELVE, "put to sleep")
    return _accepted(state, OperationKind.SHELVE, Task.SHELVING, request_id, now)


def advance(
    state: ServerState, worker: WorkerFacts, timing: Timing, now: datetime
) -> tuple[ServerState, Order]:
    """One step of the host: what has become of the server, and what the worker needs.

    Everything follows from what is written down, so a host that died goes on where it was.
    """
    match state.task_state:
        case Task.UNSHELVING:
            return _schedule(state, now), _ended(worker, timing, now)
        case Task.SPAWNING:
            if now - _since(state, now) < timing.spawn:
                return state, _ended(worker, timing, now)
            return _spawned(state, now), _ended(worker, timing, now)
        case Task.SHELVING:
            if worker.running:
                return state, _ended(worker, timing, now)
            return _offloaded(state, now), Order.NOTHING
    if state.status is not CloudStatus.ACTIVE or state.guest is not Guest.RUNNING:
        return state, _ended(worker, timing, now)
    if worker.told_at is not None:
        return state, _ended(worker, timing, now)
    booted = now - _since(state, now) >= timing.boot - timing.spawn
    return state, Order.RUN if booted else Order.NOTHING


def _check(state: ServerState, allowed: frozenset[CloudStatus], what: str) -> None:
    if state.locked:
        raise CloudError(CloudErrorKind.LOCKED, f"The server is locked and cannot be {what}.")
    if state.task_state is not None or state.status not in allowed:
        raise CloudError(
            CloudErrorKind.CONFLICT,
            f"The server cannot be {what} now.",
            f"status {state.status}, task_state {state.task_state}",
        )


def _accepted(
    state: ServerState, kind: OperationKind, task: Task, request_id: str, now: datetime
) -> ServerState:
    action = Action(request_id=request_id, kind=kind, started_at=now)
    actions = (action, *state.actions)[:_ACTIONS_KEPT]
    return state.model_copy(update={"task_state": task, "since": now, "actions": actions})


def _schedule(state: ServerState, now: datetime) -> ServerState:
    failed, faults = _happens(Fault.NO_CAPACITY, state.faults)
    if not failed:
        return state.model_copy(update={"task_state": Task.SPAWNING, "since": now})
    return _done(state, now, ActionFailure.CAPACITY, NO_CAPACITY).model_copy(
        update={"task_state": None, "since": now, "faults": faults}
    )


def _spawned(state: ServerState, now: datetime) -> ServerState:
    hangs, faults = _happens(Fault.BOOT_HANGS, state.faults)
    return _done(state, now).model_copy(
        update={
            "status": CloudStatus.ACTIVE,
            "task_state": None,
            "guest": Guest.HUNG if hangs else Guest.RUNNING,
            "since": now,
            "faults": faults,
        }
    )


def _offloaded(state: ServerState, now: datetime) -> ServerState:
    """The server is off by now. When its disk cannot be saved it stays ACTIVE like that."""
    fails, faults = _happens(Fault.SHELVE_FAILS, state.faults)
    update = {"task_state": None, "guest": Guest.OFF, "since": now, "faults": faults}
    if fails:
        return _done(state, now, ActionFailure.SHELVE, SHELVE_FAILED).model_copy(update=update)
    return _done(state, now).model_copy(update={**update, "status": CloudStatus.SHELVED_OFFLOADED})


def _happens(fault: Fault, faults: tuple[Fault, ...]) -> tuple[bool, tuple[Fault, ...]]:
    """Whether this fault is the next of its sort, and what is left.

    Faults of an unshelving wait for one, and faults of a shelving for the other, so that
    "no capacity, then a hung boot" means two unshelvings.
    """
    waking = frozenset({Fault.NO_CAPACITY, Fault.BOOT_HANGS})
    sort = waking if fault in waking else frozenset({fault})
    first = next((at for at, one in enumerate(faults) if one in sort), None)
    if first is None or faults[first] is not fault:
        return False, faults
    return True, faults[:first] + faults[first + 1 :]


def _done(
    state: ServerState, now: datetime, failure: ActionFailure | None = None, message: str = ""
) -> ServerState:
    """The newest action has ended."""
    if not state.actions:
        return state
    result = ActionResult.OK if failure is None else ActionResult.FAILED
    newest = state.actions[0].model_copy(
        update={"result": result, "failure": failure, "message": message, "finished_at": now}
    )
    return state.model_copy(update={"actions": (newest, *state.actions[1:])})


def _ended(worker: WorkerFacts, timing: Timing, now: datetime) -> Order:
    """What it takes to have no worker."""
    if not worker.running:
        return Order.NOTHING
    if worker.told_at is not None and now - worker.told_at >= timing.stop:
        return Order.KILL
    return Order.STOP


def _since(state: ServerState, now: datetime) -> datetime:
    return state.since or now

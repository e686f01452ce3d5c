"""The worker's own heartbeat: a thread of its main process that says how it stands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpu_node import __version__
from gpu_node.client import NodeClient, Refused, SiteAway
from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.node_api import GpuFacts, NodeBeat, NodeOrders, WorkerState
from gpu_node.kinds.kind import Kind
from gpu_node.worker.board import Board
from gpu_node.worker.forking import FORK_GATE
from gpu_node.worker.selftest import Check, first_fault

log = logging.getLogger(__name__)

FIRST_SECONDS = 2.0
"""Between two beats, until the server has said how often it wants them."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 60.0
_LOOK_SECONDS = 0.1

_EXAMINE_BROKEN_SECONDS = 15.0
_EXAMINE_READY_SECONDS = 300.0

_LAST_WORD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when it is decided whether to ring our own doorbell."""

    state: WorkerState
    busy: bool
    ordered: bool = False
    """The server has work for us."""
    wanted: bool = False
    """Something has just changed: the start, a reconnection, the site is back, a child died."""
    results: bool = False
    """Results wait on disk."""


def should_ring(now: Situation) -> bool:
    """Whether the pool is to be woken. Pure."""
    if now.busy or now.state in (WorkerState.STOPPING, WorkerState.STOPPED):
        return False
    return now.results or (now.state is WorkerState.READY and (now.ordered or now.wanted))


@dataclass(frozen=True, slots=True)
class Machine:
    """What the worker can see of where it runs."""

    checks: tuple[Check, ...] = ()
    gpu: Callable[[], GpuFacts | None] = lambda: None
    job: Callable[[], str | None] = lambda: None
    """What is being worked on."""


def examine(kinds: Mapping[str, Kind[Any]], checks: Iterable[Check] = ()) -> str:
    """Why this machine cannot work, in a sentence; empty when it can."""
    if fault := first_fault(checks):
        return fault
    for kind in kinds.values():
        try:
            kind.check()
        except DubfleetError as error:
            return error.sentence
        except Exception as error:
            log.exception("the check of kind %s failed", kind.name)
            return f"The check of the {kind.name} engines failed: {type(error).__name__}."
    return ""


@dataclass(frozen=True, slots=True)
class Bells:
    """What the heartbeat sets off in the rest of the worker."""

    ring: Callable[[], None]
    """Wake the pool; may fail, and is then tried again."""
    leave: Callable[[], None]
    """Stop this worker in good order."""
    results: Callable[[], bool]
    """Whether results wait on disk."""


class Beats:
    """Says that the worker is there until it is gone, and does what the answers order."""

    def __init__(
        self,
        client: NodeClient,
        boot_id: str,
        kinds: Mapping[str, Kind[Any]],
        board: Board,
        bells: Bells,
        pulse: Callable[[bool], None] = lambda _: None,
        machine: Machine = Machine(),  # it is frozen
    ) -> None:
        """`pulse` tells the guards that we are here; whatever it meets, it comes back soon.

        It is told whether work has just begun, and waits to be seen.
        """
        self._client = client
        self._boot_id = boot_id
        self._kinds = kinds
        self._board = board
        self._bells = bells
        self._pulse = pulse
        self._machine = machine
        self._fault = ""
        self._examine_at = 0.0
        self._every = FIRST_SECONDS
        self._heard: bool | None = None
        self._wanted = True
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def start(self) -> None:
        """Begin. It needs neither the broker nor the pool."""
        self._thread.start()

    def ring_again(self) -> None:
        """The broker is there, or there again: messages may have been lost meanwhile."""
        self._wanted = True

    def say_stopped(self) -> None:
        """The last word, in the caller's thread. It is said once, for the site may be away."""
        self._gone.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_WORD_SECONDS)
        try:
            self._client.beat(self._word(WorkerState.STOPPED), quick=True)
        except (SiteAway, Refused) as trouble:
            log.warning("the main server was not told that the worker has stopped: %s", trouble)

    def turn(self) -> None:
        """One beat, and what follows from its answer."""
        if time.monotonic() >= self._examine_at and not self._board.stopping:
            self._examine()
        state = self._state()
        self._board.ready = state is WorkerState.READY
        if self._board.bury():
            log.warning("the pool's child has died at its work")
            self._wanted = True
        orders = self._beat(state)
        if orders is None:
            return
        self._every = min(max(orders.heartbeat_seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        if orders.stop and not self._board.stopping:
            log.info("the main server orders this worker to stop")
            self._bells.leave()
            return
        self._ring_if_needed(state, orders)

    def _ring_if_needed(self, state: WorkerState, orders: NodeOrders) -> None:
        now = Situation(
            state=state,
            busy=self._board.busy,
            ordered=orders.claim,
            wanted=self._wanted,
            results=self._bells.results(),
        )
        if not should_ring(now):
            return
        try:
            self._bells.ring()
        except Exception as error:  # whatever the broker has, the next beat tries again
            log.warning("the doorbell could not be rung: %s", type(error).__name__)
        else:
            self._wanted = False

    def _examine(self) -> None:
        fault = examine(self._kinds, self._machine.checks)
        if fault != self._fault:
            log.warning("%s", fault or "The engines are there again.")
        self._fault = fault
        wait = _EXAMINE_BROKEN_SECONDS if fault else _EXAMINE_READY_SECONDS
        self._examine_at = time.monotonic() + wait

    def _state(self) -> WorkerState:
        if self._board.stopping:
            return WorkerState.STOPPING
        return WorkerState.BROKEN if self._fault else WorkerState.READY

    def _word(self, state: WorkerState) -> NodeBeat:
        return NodeBeat(
            boot_id=self._boot_id,
            state=state,
            program_version=__version__,
            kinds=tuple(sorted(self._kinds)),
            busy=self._board.busy,
            job=self._machine.job(),
            gpu=self._machine.gpu(),
            sentence=self._fault[:500],
        )

    def _beat(self, state: WorkerState) -> NodeOrders | None:
        try:
            orders = self._client.beat(self._word(state))
        except (SiteAway, Refused) as trouble:
            if self._heard is not False:
                log.warning("%s", trouble)
            self._heard = False
            return None
        if not self._heard:
            log.info("the main server hears us")
            self._heard = self._wanted = True
        return orders

    def _run(self) -> None:
        while not self._gone.is_set():
            self._do(self._show)
            self._do(self.turn)
            self._rest()

    def _do(self, beat: Callable[[], None]) -> None:
        try:
            with FORK_GATE:
                beat()
        except Exception:  # without this thread the worker would be taken for dead
            log.exception("a heartbeat failed")

    def _show(self) -> None:
        """Our pulse. A pool child asks for no job before this has told that it is at work."""
        begun = self._board.begun
        self._pulse(begun != self._board.shown)
        self._board.shown = begun

    def _rest(self) -> None:
        """Until the next beat is due, or the worker is to stop.

        Work that begins or ends meanwhile is shown at once. That brings no heartbeat forward: its
        answer may ring, and an empty-handed child would be woken again and again.
        """
        stopping = self._board.stopping
        due = time.monotonic() + self._every
        while time.monotonic() < due and not self._gone.is_set():
            if self._board.wait_for_news(_LOOK_SECONDS):
                self._do(self._show)
            if self._board.stopping != stopping:
                return

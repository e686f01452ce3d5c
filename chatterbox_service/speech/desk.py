"""The one thread that the engine belongs to: it loads it, prepares voices, speaks in rounds."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from chatterbox_service.ports import Engine, EngineFault, Line, Take
from chatterbox_service.problems import Code, Problem
from chatterbox_service.speech.rounds import Limits, Ticket, next_round

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_FAULTS_IN_A_ROW = 3
"""Rounds that may fail before the engine counts as broken: a lost GPU does not come back."""
_ABANDON_SECONDS = 5.0
"""So long an engine may take to notice that nobody waits any more."""


class State(StrEnum):
    """What the engine's thread is at."""

    INITIALISING = "initialising"
    READY = "ready"
    ERROR = "error"
    STOPPED = "stopped"


@dataclass(slots=True)
class Counts:
    """What was done since the start."""

    lines: int = 0
    rounds: int = 0
    faults: int = 0
    speaking_seconds: float = 0.0
    sound_seconds: float = 0.0
    dropped: int = 0
    """Lines that nobody waited for any more before they were begun."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A line and whoever waits for it."""

    line: Line
    owner: str
    order: int
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Take]
    gone: threading.Event = field(default_factory=threading.Event)
    ticket: Ticket | None = None
    """Once the engine has said how large it is."""

    def settle(self, result: Take | BaseException) -> None:
        _in_loop(self.loop, self.answer, result)


@dataclass(slots=True, eq=False)
class _Errand:
    """Something else that only the engine's thread may do."""

    what: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class Desk:
    """Takes lines from any event loop, has them spoken, and gives each its take."""

    def __init__(self, engine: Engine, on_broken: Callable[[], None] = lambda: None) -> None:
        """`on_broken` is called once, when an engine that could speak cannot any more."""
        self.engine = engine
        self._on_broken = on_broken
        self._faults_in_a_row = 0
        self._abandoned = False
        self.state = State.INITIALISING
        self.error = ""
        self.counts = Counts()
        self._waiting: list[_Waiting] = []
        self._errands: list[_Errand] = []
        self._order = 0
        self._turns: dict[str, int] = {}
        self._closing = False
        self._bell = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)

    # ------------------------------------------------------------------------- from any thread

    def start(self) -> None:
        """Begin to load. Returns at once."""
        self._thread.start()

    def stop(self, wait: float) -> None:
        """Take nothing more, give what is being said so many seconds, give the engine back.

        May be called twice.
        """
        with self._bell:
            self._closing = True
            self._bell.notify()
        if self._thread.is_alive():
            self._thread.join(wait)
        self._abandoned = True
        if self._thread.is_alive():
            self._thread.join(_ABANDON_SECONDS)

    @property
    def lines_waiting(self) -> int:
        return len(self._waiting)

    async def speak(self, line: Line, owner: str) -> Take:
        """Have it said. `owner`: whose turn it uses. Raises Problem; cancelled, it is dropped."""
        loop = asyncio.get_running_loop()
        with self._bell:
            self._require_ready()
            self._order += 1
            waiting = _Waiting(line, owner, self._order, loop, loop.create_future())
            self._waiting.append(waiting)
            self._bell.notify()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            waiting.gone.set()
            raise

    async def run(self, what: Callable[[], Result]) -> Result:
        """Something short on the engine's thread, before the next round. Raises Problem."""
        loop = asyncio.get_running_loop()
        errand = _Errand(what, loop, loop.create_future())
        with self._bell:
            self._require_ready()
            self._errands.append(errand)
            self._bell.notify()
        result: Result = await errand.answer
        return result

    def _require_ready(self) -> None:
        if self._closing or self.state is State.STOPPED:
            raise Problem(
                Code.STOPPING, "The service is stopping: send it again soon.", retry_after=5
            )
        if self.state is State.INITIALISING:
            raise Problem(
                Code.NOT_READY, "The engine is still loading: send it again soon.", retry_after=10
            )
        if self.state is State.ERROR:
            raise Problem(Code.NOT_READY, f"The engine cannot speak: {self.error}", retry_after=60)

    # ----------------------------------------------------------------------- the engine's thread

    def _work(self) -> None:
        try:
            self._load()
            while (due := self._next()) is not None:
                errands, lines = due
                for errand in errands:
                    _settle_errand(errand)
                if lines:
                    self._round(lines)
        except Exception as error:  # whatever it is, whoever waits has to be told
            log.exception("the engine's thread ends")
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self._leave()

    def _load(self) -> None:
        try:
            self.engine.load()
        except EngineFault as fault:
            self._fail(str(fault))
            return
        with self._bell:
            if self.state is State.INITIALISING:
                self.state = State.READY

    def _next(self) -> tuple[list[_Errand], list[_Waiting]] | None:
        """What to do now; waits for it. None: the end."""
        with self._bell:
            while True:
                self._drop_gone()
                if self._closing or self.state is State.ERROR:
                    return None
                if self._errands or self._waiting:
                    break
                self._bell.wait()
            errands, self._errands = self._errands, []
            fresh = [one for one in self._waiting if one.ticket is None]
        # Not while others wait for the bell: it may have to take the words apart.
        refused = [one for one in fresh if not self._measured(one)]
        with self._bell:
            gone = set(map(id, refused))
            self._waiting = [one for one in self._waiting if id(one) not in gone]
            return errands, self._choose()

    def _measured(self, one: _Waiting) -> bool:
        """Give it its ticket; False for one that the engine cannot even measure."""
        try:
            size = self.engine.size(one.line)
        except Exception as fault:  # as in a round
            log.error("a line could not be measured", exc_info=fault)
            one.settle(Problem(Code.FAILED, f"The engine failed: {fault}"))
            return False
        one.ticket = Ticket(one.owner, one.order, max(1, size))
        return True

    def _drop_gone(self) -> None:
        left = [one for one in self._waiting if not one.gone.is_set()]
        self.counts.dropped += len(self._waiting) - len(left)
        self._waiting = left

    def _choose(self) -> list[_Waiting]:
        limits = Limits(self.engine.most_together, self.engine.budget)
        ready = [one for one in self._waiting if one.ticket is not None]
        tickets = [one.ticket for one in ready if one.ticket is not None]
        chosen = [ready[at] for at in next_round(tickets, self._turns, limits)]
        if chosen:
            here = {one.owner for one in self._waiting}
            self._turns = {owner: at for owner, at in self._turns.items() if owner in here}
            self._turns[chosen[0].owner] = self.counts.rounds
            taken = set(map(id, chosen))
            self._waiting = [one for one in self._waiting if id(one) not in taken]
        return chosen

    def _round(self, chosen: list[_Waiting]) -> None:
        began = time.monotonic()
        left = dict(enumerate(chosen))

        def nobody_waits() -> bool:
            return self._abandoned or all(one.gone.is_set() for one in left.values())

        try:
            for take in self.engine.speak([one.line for one in chosen], nobody_waits):
                self._count(take)
                left.pop(take.at).settle(take)
        except (
            Exception
        ) as fault:  # an engine is other people's code: whatever it is, it is a fault
            self.counts.faults += 1
            log.error("a round of %d lines failed", len(chosen), exc_info=fault)
            for one in left.values():
                one.settle(Problem(Code.FAILED, f"The engine failed: {fault}"))
            left.clear()
            self._faults_in_a_row += 1
        else:
            self._faults_in_a_row = 0
        for one in left.values():
            one.settle(Problem(Code.FAILED, "The engine ended without having said this line."))
        self.counts.rounds += 1
        self.counts.speaking_seconds += time.monotonic() - began
        if self._faults_in_a_row >= _FAULTS_IN_A_ROW:
            self._fail("it has failed several times in a row; its log says how")
            self._on_broken()

    def _count(self, take: Take) -> None:
        self.counts.lines += 1
        if take.samples is not None:
            self.counts.sound_seconds += len(take.samples) / self.engine.sample_rate

    def _fail(self, reason: str) -> None:
        log.error("the engine cannot be used: %s", reason)
        with self._bell:
            self.state, self.error = State.ERROR, reason

    def _leave(self) -> None:
        with self._bell:
            if self.state is not State.ERROR:
                self.state = State.STOPPED
            waiting, self._waiting = self._waiting, []
            errands, self._errands = self._errands, []
        problem = Problem(
            Code.STOPPING, "The service is stopping: send it again soon.", retry_after=5
        )
        for one in waiting:
            one.settle(problem)
        for errand in errands:
            _in_loop(errand.loop, errand.answer, problem)
        self.engine.close()


def _settle_errand(errand: _Errand) -> None:
    result: Any
    try:
        result = errand.what()
    except Problem as problem:
        result = problem
    except Exception as fault:  # as in a round
        log.error("an errand failed", exc_info=fault)
        result = Problem(Code.FAILED, f"The engine failed: {fault}")
    _in_loop(errand.loop, errand.answer, result)


def _in_loop(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], result: Any) -> None:
    def settle() -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # That loop has ended, and with it whoever waited.
        log.debug("nobody is there for an answer")

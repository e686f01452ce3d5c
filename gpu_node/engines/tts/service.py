"""The speech service that speaks our lines: the one that is named, or one of our own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.engines.tts.asking import Address, Unanswered, ask, look, pause
from gpu_node.engines.tts.child import Child, require_installed
from gpu_node.engines.tts.health import Health
from gpu_node.engines.tts.settings import speech_settings

_HEALTH_SECONDS = 5.0
_CHECK_SECONDS = 3.0
_LOAD_SECONDS = 60.0
"""So long a service that has begun to load may take."""
_BACK_SECONDS = 30.0
"""So long one that was there before may be away: whoever supervises it starts it again."""
_POLL_SECONDS = 0.05
_LOCK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A service that can speak."""

    address: Address
    health: Health


class Place(Protocol):
    """Where a service is to be found. For one thread at a time."""

    patience: float
    """Seconds for which nobody may answer there."""

    def start(self) -> None:
        """Have it begin to start, where that is ours to do."""

    def address(self, stop: threading.Event | None) -> Address:
        """Where it listens now."""

    def require_running(self) -> None:
        """Raises DubfleetError when it is known to have ended."""

    def close(self) -> None:
        """Let go of it."""


class Named:
    """Somebody else's, at an address that stays."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.patience = 0.0

    def start(self) -> None:
        """It runs already, or not."""

    def address(self, stop: threading.Event | None) -> Address:  # noqa: ARG002  # nothing to wait for
        return self._address

    def require_running(self) -> None:
        """Nobody tells us when it ends."""

    def close(self) -> None:
        """It was there once: it may come back."""
        self.patience = _BACK_SECONDS


class SpeechService:
    """Found when it is first needed, and again after it was lost. Any thread may ask."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._turn = threading.Lock()
        self._found: Found | None = None

    def start(self) -> None:
        """Have it begin to start, so that it is there when it is asked for."""
        with self._turn:
            self._place.start()

    def found(self, stop: threading.Event | None = None) -> Found:
        """The service, as soon as it can speak.

        Raises DubfleetError: PROGRAM_MISSING, ENGINE_FAILED, CANCELLED.
        """
        with self._taken(stop):
            if self._found is None:
                address = self._place.address(stop)
                self._found = Found(address, _healthy(self._place, address, stop))
            return self._found

    def lost(self, gone: Found) -> None:
        """It does not answer any more; whoever is told of it first has it looked for again."""
        with self._turn:
            if self._found is gone:
                self._found = None
                self._place.close()

    def close(self) -> None:
        """End what was started. Nobody may ask any more."""
        with self._turn:
            self._place.close()

    @contextmanager
    def _taken(self, stop: threading.Event | None) -> Iterator[None]:
        """Our turn; others may be at it for as long as a service takes to start."""
        while not self._turn.acquire(timeout=_LOCK_SECONDS):
            look(stop)
        try:
            look(stop)
            yield
        finally:
            self._turn.release()


@contextmanager
def opened(folder: Path) -> Iterator[SpeechService]:
    """The service that the settings name; else one of our own, which ends here at the latest.

    `folder`: one of our own writes there. Raises DubfleetError(ENGINE_FAILED).
    """
    address = speech_settings().address
    service = SpeechService(Child(folder) if address is None else Named(address))
    try:
        yield service
    finally:
        service.close()


def check() -> None:
    """Whether there is a service to speak with, without starting one.

    Raises DubfleetError: PROGRAM_MISSING, ENGINE_FAILED.
    """
    address = speech_settings().address
    if address is None:
        require_installed()
        return
    try:
        health = _health(address, None, _CHECK_SECONDS)
    except Unanswered as error:
        raise _absent(address, str(error)) from error
    if health.status != "healthy":
        raise _unready(health)


def _healthy(place: Place, address: Address, stop: threading.Event | None) -> Health:
    began = time.monotonic()
    while True:
        look(stop)
        place.require_running()
        waited = time.monotonic() - began
        try:
            health = _health(address, stop, _HEALTH_SECONDS)
        except Unanswered as error:
            if waited >= place.patience:
                raise _absent(address, str(error)) from error
        else:
            if health.status == "healthy":
                return health
            if health.status == "error" or waited > _LOAD_SECONDS:
                raise _unready(health)
        pause(_POLL_SECONDS, stop)


def _health(address: Address, stop: threading.Event | None, timeout: float) -> Health:
    """Raises Unanswered, DubfleetError."""
    try:
        answer = ask(address, "/health", timeout=timeout, stop=stop)
    except DubfleetError as error:
        if error.reason is Reason.PROGRAM_TIMEOUT:
            raise Unanswered(str(error)) from error
        raise
    try:
        return Health.model_validate_json(answer.body)
    except ValidationError as error:
        raise foreign(address, str(error)) from error


def foreign(address: Address, detail: str) -> DubfleetError:
    """Somebody else answers there."""
    return DubfleetError(
        Reason.ENGINE_FAILED,
        f"What answers at {address} is not a speech service that is known here: see SPEECH_URL.",
        detail=detail,
    )


def _absent(address: Address, detail: str) -> DubfleetError:
    return DubfleetError(
        Reason.ENGINE_FAILED,
        f"The speech service at {address} does not answer: start it, or see SPEECH_URL.",
        detail=detail,
    )


def _unready(health: Health) -> DubfleetError:
    why = health.error or f"it is {health.status}."
    return DubfleetError(Reason.ENGINE_FAILED, f"The speech service cannot speak: {why}")

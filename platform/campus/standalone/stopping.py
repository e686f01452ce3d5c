"""Ctrl-C, a closing terminal, a polite kill: how they end what runs, but not the ending itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any]


class Stopped(BaseException):
    """Somebody wants us to end. Like KeyboardInterrupt no error, so that nothing swallows it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within this block a signal to end raises Stopped, in the main thread."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(signal.Signals(number))

    with _handled(stop):
        yield


@contextmanager
def not_interrupted() -> Iterator[threading.Event]:
    """Within this block such a signal raises nothing; the event says that there was one."""
    hurry = threading.Event()

    def note(*_: object) -> None:
        hurry.set()

    with _handled(note):
        yield hurry


@contextmanager
def _handled(handler: _Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Under nohup a closing terminal is to be ignored, and stays so.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

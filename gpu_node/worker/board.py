"""What the worker's main process and its pool child tell each other, in memory that both see.

Each field is written by one side only, and is one machine word at most, so there is no lock that a
killed process could take with it. A socket wakes the main process when work begins or ends:
nothing but the page says what the news is.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import time

_STOPPING, _READY, _WORKER, _BEGUN, _SHOWN = 0, 1, 8, 16, 24
_WORD = struct.Struct("=q")
_LOOK_SECONDS = 0.002


class Board:
    """Made by the main process before it forks."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)

    @property
    def stopping(self) -> bool:
        """The worker was told to stop. Never taken back."""
        return self._page[_STOPPING] != 0

    def stop(self) -> None:
        self._page[_STOPPING] = 1

    @property
    def ready(self) -> bool:
        """The worker has proved itself, and may claim."""
        return self._page[_READY] != 0

    @ready.setter
    def ready(self, value: bool) -> None:
        self._page[_READY] = value

    @property
    def busy(self) -> bool:
        """A living pool child is at work."""
        return self._worker != 0 and _alive(self._worker)

    def begin(self) -> None:
        """In the pool child: we are at work."""
        self._worker = os.getpid()
        self._write(_BEGUN, self.begun + 1)
        self._ring()

    def wait_until_shown(self, seconds: float) -> bool:
        """In the pool child: whether the pulse has said so. Not for long, nor when we stop."""
        deadline = time.monotonic() + seconds
        while self.shown != self.begun:
            if self.stopping or time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def end(self) -> None:
        self._worker = 0
        self._ring()

    @property
    def begun(self) -> int:
        """How often a pool child has begun to work."""
        return self._read(_BEGUN)

    @property
    def shown(self) -> int:
        """The last of these that the pulse has told of."""
        return self._read(_SHOWN)

    @shown.setter
    def shown(self, begun: int) -> None:
        self._write(_SHOWN, begun)

    def wait_for_news(self, seconds: float) -> bool:
        """In the main process: whether work has begun or ended meanwhile."""
        self._ear.settimeout(seconds)
        try:
            self._ear.recv(64)
        except TimeoutError:
            return False
        return True

    def bury(self) -> bool:
        """Whether a pool child has died at its work; said once."""
        if self._worker == 0 or _alive(self._worker):
            return False
        self._worker = 0
        return True

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has rung often enough
            self._bell.send(b".")

    @property
    def _worker(self) -> int:
        return self._read(_WORKER)

    @_worker.setter
    def _worker(self, pid: int) -> None:
        self._write(_WORKER, pid)

    def _read(self, where: int) -> int:
        word: int = _WORD.unpack_from(self._page, where)[0]
        return word

    def _write(self, where: int, word: int) -> None:
        _WORD.pack_into(self._page, where, word)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

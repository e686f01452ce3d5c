"""What the worker's main process and its pool child tell each other, in memory that both see.

Each field is written by one side only, and is one machine word at most, so there is no lock that a
killed process could take with it.
"""

from __future__ import annotations

import mmap
import os
import struct

_STOPPING, _READY, _WORKER = 0, 1, 8
_PID = struct.Struct("=q")


class Board:
    """Made by the main process before it forks."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

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

    def end(self) -> None:
        self._worker = 0

    def bury(self) -> bool:
        """Whether a pool child has died at its work; said once."""
        if self._worker == 0 or _alive(self._worker):
            return False
        self._worker = 0
        return True

    @property
    def _worker(self) -> int:
        pid: int = _PID.unpack_from(self._page, _WORKER)[0]
        return pid

    @_worker.setter
    def _worker(self, pid: int) -> None:
        _PID.pack_into(self._page, _WORKER, pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

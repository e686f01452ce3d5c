"""What both directions and both transports have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpu_node.client import SiteAway
from gpu_node.contracts.blobs import Blob

Wait = Callable[[float], None]
"""`wait(seconds)` waits between two tries, and raises when the file is no longer wanted. `wait(0)`
only looks; it is called for every piece."""

Share = Callable[[float], None]
"""Told how much is done, 0 to 1."""

PIECE_BYTES = 1 << 16

MOST_REFUSED = 5
"""So often in a row an answer may be no. A site that is away is not counted: it will be back."""


class Expired(Exception):
    """The link is not valid any more: there may be a new one."""


class Missing(Expired):
    """The link leads nowhere: it may be an old one, or the file is gone."""


class Damaged(Exception):
    """What came is not what was announced."""


class NotKept(SiteAway):
    """The file was sent to its end, and not taken. Trying again may help, but not for ever."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A file on its way here, from byte `offset` on."""

    offset: int
    pieces: Iterator[bytes]


class Transport(Protocol):
    """How bytes travel. Trouble on the line is SiteAway, whichever way was taken."""

    def fetch(self, url: str, blob: Blob, there: int) -> AbstractContextManager[Coming]:
        """The blob's bytes, from the byte `there` on or from the start.

        Raises SiteAway, NotUnderstood, Expired, Missing, Damaged, DubfleetError.
        """
        ...

    def send(self, url: str, blob: Blob, body: Body) -> None:
        """Send a file to its end. Raises SiteAway, NotKept, Expired, DubfleetError."""
        ...


class Body:
    """A file on its way to the server, read piece by piece. `sent` is told how many bytes went."""

    def __init__(self, path: Path, size: int, wait: Wait, sent: Callable[[int], None]) -> None:
        self._file = path.open("rb")
        self._size = size
        self._read = 0
        self._wait = wait
        self._tell = sent

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE_BYTES):
            yield piece

    def skip(self, offset: int) -> None:
        """Go on from there: what lies before it has been sent."""
        self._read = self._file.seek(offset)
        self._tell(self._read)

    def read(self, size: int = -1) -> bytes:
        self._wait(0)
        piece = self._file.read(size)
        self._read += len(piece)
        self._tell(self._read)
        return piece

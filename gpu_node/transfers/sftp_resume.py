"""Where to go on with a file, and which file a link means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINK = re.compile(
    r"sftp://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<folder>(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/(?:in|out))/(?P<digest>[0-9a-f]{64})",
    re.ASCII,
)

CHUNK_BYTES = 1 << 15
"""The most that one request of paramiko asks for, or brings."""
WINDOW_CHUNKS = 192
"""So many requests are on their way at once. Without a bound big files hang or drop the line, with
fewer than 72 they crawl (paramiko issue 2455)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A file on the main server. `path` as the server's account sees it."""

    host: str
    port: int
    path: str

    @property
    def part(self) -> str:
        """What it is called until it is whole."""
        return f"{self.path}.part"


def parse(url: str, digest: str) -> Link | None:
    """The file that a link means; None for one that is none, or is not of this blob."""
    found = _LINK.fullmatch(url)
    if found is None or found["digest"] != digest:
        return None
    port = int(found["port"] or 22)
    if not 0 < port < 1 << 16:
        return None
    return Link(found["host"].strip("[]"), port, f"{found['folder']}/{digest}")


def resume(there: int | None, size: int) -> int:
    """From which byte to go on, when `there` bytes have arrived before (None: nothing).

    More than there can be is something else: it is begun anew.
    """
    if there is None or there > size:
        return 0
    return there


def windows(start: int, size: int) -> Iterator[list[tuple[int, int]]]:
    """Requests (offset, length) for what is missing, as many as may be on their way at a time."""
    step = CHUNK_BYTES * WINDOW_CHUNKS
    for first in range(start, size, step):
        last = min(first + step, size)
        yield [(at, min(CHUNK_BYTES, last - at)) for at in range(first, last, CHUNK_BYTES)]

"""Files that are being received: never larger than agreed, and gone when nobody needs them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatterbox_service.problems import Code, Problem

_UNFINISHED = ".incoming-"
_DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RETRY_SECONDS = 60
_MEGABYTE = 1_000_000


class Spool:
    """A file that grows up to `most_bytes`. Nothing is buffered: `path` always holds all of it."""

    def __init__(self, path: Path, descriptor: int, most_bytes: int) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self.size = 0
        self._descriptor = descriptor

    def write(self, chunk: bytes) -> None:
        """Raises Problem TOO_LARGE before any of that chunk is written, BUSY on a full disk."""
        self.size += len(chunk)
        if self.size > self.most_bytes:
            raise too_large(self.most_bytes)
        rest = memoryview(chunk)
        with told_when_full():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """What was written outlives a power cut. Raises Problem BUSY on a full disk."""
        with told_when_full():
            os.fsync(self._descriptor)


@contextmanager
def spool(folder: Path, most_bytes: int) -> Iterator[Spool]:
    """An empty file in `folder`, for this user alone. Removed whatever happens, unless renamed.

    Raises Problem BUSY on a full disk.
    """
    with told_when_full():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    path = Path(name)
    try:
        yield Spool(path, descriptor, most_bytes)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove what a process that was killed has left; returns how many files."""
    left = [path for path in folder.glob(f"{_UNFINISHED}*") if not path.is_dir()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def too_large(most_bytes: int) -> Problem:
    """Without the real size, which nobody knows: reading stops at the limit."""
    most = f"{most_bytes} bytes"
    if most_bytes >= _MEGABYTE:
        most = f"{most_bytes / _MEGABYTE:.4g} MB"
    return Problem(Code.TOO_LARGE, f"The reference is too large: send at most {most}.")


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turns the error of a full disk into Problem BUSY."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_IS_FULL:
            raise
        sentence = "The service has no room left for references: try again later."
        raise Problem(Code.BUSY, sentence, retry_after=_RETRY_SECONDS) from None

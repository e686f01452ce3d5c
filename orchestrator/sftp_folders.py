"""What a node sees of this server over SFTP: a folder of its own, in which its account is locked.

out/   the files that its present job takes: hard links named by digest, read only for the account
in/    what it sends: `<digest>.part`, then `<digest>`

Only what lies in `out` can be read, whoever has the node's key, and that is one job's files.
Nothing that lies in `in` counts: it is copied into storage, and hashed on the way, before it does.
It is a copy because the account may go on writing to its own file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import stat
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from gpu_node.contracts.blobs import Blob
from orchestrator import blobs

log = logging.getLogger(__name__)

_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}", re.ASCII)
_CHUNK_BYTES = 1 << 20
_ABANDONED_SECONDS = 86_400.0
"""What nobody has written to for so long belongs to nobody."""


class NodeFolder:
    """One node's. Raises ValueError for a name that is none."""

    def __init__(self, root: Path, node: str) -> None:
        if not _NODE.fullmatch(node):
            raise ValueError(f"not a node's name: {node!r}")
        self._out = root / node / "out"
        self._in = root / node / "in"

    @property
    def exists(self) -> bool:
        return self._out.is_dir() and self._in.is_dir()

    def show(self, digests: Collection[str]) -> None:
        """Have `out` hold exactly these. One that is not in storage is not there: that is how the
        node learns of it. Raises OSError when links cannot be made."""
        for name in self._shown() - set(digests):
            (self._out / name).unlink(missing_ok=True)
        for digest in digests:
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                (self._out / digest).hardlink_to(blobs.open_blob(digest))

    def adopt(self, announced: Blob, now: datetime) -> bool:
        """Take what the node has sent as this blob into storage; whether it is there now.

        What is not what was announced is removed: the node begins anew. The second of two who ask
        at once waits for the first.
        """
        path = self._in / announced.digest
        try:
            # Not through a link that the account could have laid, and not waiting for a pipe.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            return self._reject(path, os.strerror(error.errno or errno.EIO))
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size != announced.size:
                return self._reject(path, "it is not as long as announced")
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not blobs.have([announced.digest]):
                blobs.store_announced(_chunks(handle), announced, now)
        except (blobs.Differs, blobs.TooLarge):
            return self._reject(path, "its bytes are not those that were announced")
        finally:
            os.close(handle)
        _remove(path)
        return True

    def sweep(self, now: float) -> int:
        """Remove what broken uploads left; how many files went."""
        removed = 0
        for file in self._in.glob("*"):
            with contextlib.suppress(OSError):
                if now - file.lstat().st_mtime > _ABANDONED_SECONDS:
                    file.unlink()
                    removed += 1
        return removed

    def _shown(self) -> set[str]:
        return {entry.name for entry in self._out.iterdir()}

    def _reject(self, path: Path, why: str) -> bool:
        log.warning("what came as %s is not taken: %s", path, why)
        _remove(path)
        return False


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("%s cannot be removed: %s", path, error.strerror)


def _chunks(handle: int) -> Iterator[bytes]:
    while chunk := os.read(handle, _CHUNK_BYTES):
        yield chunk

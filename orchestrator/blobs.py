"""Files by content: a storage port, and the URLs under which nodes may read and write them.

A blob is written to a scratch file, hashed on the way, and becomes visible by one rename: half an
upload is never seen. Files are named by their SHA-256, so the same file twice is stored once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gpu_node.contracts.blobs import Blob
from orchestrator.models import StoredBlob
from orchestrator.settings import fleet_settings

_CHUNK_BYTES = 1 << 20
_ABANDONED_SECONDS = 86_400.0
"""A scratch file nobody has written to for so long belongs to nobody."""


class TooLarge(Exception):
    """More bytes than may be stored at once."""


class Differs(Exception):
    """The bytes are not those that were announced."""


class Storage(Protocol):
    """Where bytes are. S3 will be a second one."""

    def put(self, chunks: Iterable[bytes], limit: int) -> tuple[str, int]:
        """Store a stream; (digest, size). Raises TooLarge. Nothing is left behind on error."""
        ...

    def path(self, digest: str) -> Path:
        """Where the bytes can be read. Raises FileNotFoundError."""
        ...

    def remove(self, digest: str) -> None: ...


class LocalStorage:
    """A folder: `ab/abcdef…`, and `scratch/` for what is being written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scratch = root / "scratch"

    def put(self, chunks: Iterable[bytes], limit: int) -> tuple[str, int]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._scratch)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise TooLarge
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            # Readable by the web server's own user as well, which may not be ours.
            scratch.chmod(0o644)
            target = self._place(digest.hexdigest())
            target.parent.mkdir(exist_ok=True)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def path(self, digest: str) -> Path:
        place = self._place(digest)
        if not place.is_file():
            raise FileNotFoundError(digest)
        return place

    def remove(self, digest: str) -> None:
        self._place(digest).unlink(missing_ok=True)

    def sweep(self, now: float) -> int:
        """Remove what broken uploads left; how many files went."""
        removed = 0
        for file in self._scratch.glob("*"):
            with contextlib.suppress(OSError):
                if now - file.stat().st_mtime > _ABANDONED_SECONDS:
                    file.unlink()
                    removed += 1
        return removed

    def _place(self, digest: str) -> Path:
        if len(digest) != 64 or not all(letter in "0123456789abcdef" for letter in digest):
            raise FileNotFoundError(digest)
        return self._root / digest[:2] / digest


def storage() -> LocalStorage:
    """The storage of this installation."""
    return LocalStorage(Path(fleet_settings().blob_folder).absolute())


def store_stream(
    chunks: Iterable[bytes], now: datetime, *, suffix: str = "", limit: int | None = None
) -> Blob:
    """Store what is streamed. Raises TooLarge."""
    digest, size = storage().put(chunks, limit or fleet_settings().blob_max_bytes)
    StoredBlob.objects.get_or_create(digest=digest, defaults={"size": size, "created_at": now})
    return Blob(digest=digest, size=size, suffix=suffix)


def store_file(path: Path, now: datetime, *, suffix: str = "") -> Blob:
    """Store a copy of a file."""
    with path.open("rb") as file:
        return store_stream(_chunks(file.fileno()), now, suffix=suffix)


def store_announced(chunks: Iterable[bytes], announced: Blob, now: datetime) -> None:
    """Store what must turn out to be `announced`. Raises Differs; nothing is kept then."""

    def exactly() -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > announced.size:
                raise Differs
            yield chunk
        if size != announced.size or digest.hexdigest() != announced.digest:
            raise Differs

    store_stream(exactly(), now, suffix=announced.suffix, limit=announced.size)


def have(digests: Iterable[str]) -> set[str]:
    """Which of these are stored, row and file."""
    rows = StoredBlob.objects.filter(digest__in=list(digests)).values_list("digest", flat=True)
    return {digest for digest in rows if _readable(digest)}


def open_blob(digest: str) -> Path:
    """Where a blob's bytes can be read. Raises FileNotFoundError."""
    return storage().path(digest)


def sweep() -> int:
    """Remove abandoned scratch files."""
    return storage().sweep(time.time())


def _readable(digest: str) -> bool:
    try:
        storage().path(digest)
    except FileNotFoundError:
        return False
    return True


def _chunks(handle: int) -> Iterator[bytes]:
    while chunk := os.read(handle, _CHUNK_BYTES):
        yield chunk

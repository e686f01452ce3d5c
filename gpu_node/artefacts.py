"""The artefact store: what stages produced, named by content, written all or nothing.

Two tables in one folder:

- `objects/` holds files, each named by the SHA-256 of its bytes;
- `records/` says what a piece of work gave: its name is the hash of everything the work depends on
  (stage, version, settings, inputs), its content the result as JSON, which points at objects, under
  a line with the JSON's own hash.

A file becomes visible by one rename, so a process may be killed between any two statements. What
a resumed run finds is checked against its hash before it is believed: that costs a read where an
fsync after every utterance would cost a disk flush, and it also catches a disk that lies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason, stopped

log = logging.getLogger(__name__)

_CHUNK_BYTES = 4 << 20
_LOCK_ATTEMPTS = 10


class Busy(DubfleetError):
    """Another process works in this store."""


def canonical(value: Any) -> bytes:
    """JSON with one spelling for one value: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-able value or a pydantic model."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return hashlib.sha256(canonical(value)).hexdigest()


def digest_file(path: Path, stop: threading.Event | None = None) -> str:
    """SHA-256 of a file's bytes. Raises DubfleetError(CANCELLED) when `stop` is set meanwhile."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if stop is not None and stop.is_set():
                raise stopped()
            digest.update(chunk)
    return digest.hexdigest()


def blobs_in(value: Any) -> Iterator[Blob]:
    """Every Blob inside a model, however deep."""
    if isinstance(value, Blob):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from blobs_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from blobs_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from blobs_in(item)


class Store:
    """A folder of artefacts. One process works in it at a time (`exclusive`), with many threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._records = root / "records"
        self._scratch = root / "scratch"
        self._lock = root / "lock"
        self._outside: dict[str, Path] = {}

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store; clear what a killed run left half-made. Raises Busy."""
        with self._take_lock():
            shutil.rmtree(self._scratch, ignore_errors=True)
            for folder in (self._objects, self._records, self._scratch):
                folder.mkdir(exist_ok=True)
            # A store that is worked in is not old, whatever its files say.
            os.utime(self.root)
            try:
                yield
            finally:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def remove(self) -> None:
        """Remove the store, which must be held. The lock goes last: nobody gets in before."""
        with contextlib.suppress(OSError):
            for entry in self.root.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry != self._lock:
                    entry.unlink()
            self._lock.unlink()
            self.root.rmdir()

    def _take_lock(self) -> IO[str]:
        """The lock, held until it is closed. Raises Busy, or OSError where no file can be made."""
        gone = FileNotFoundError(errno.ENOENT, "the folder cannot be made", str(self.root))
        for _ in range(_LOCK_ATTEMPTS):
            self.root.mkdir(parents=True, exist_ok=True)
            # The holder may remove the store, lock and all, between any two of these lines.
            try:
                return self._locked()
            except FileNotFoundError as error:
                gone = error
        raise gone

    def _locked(self) -> IO[str]:
        with contextlib.ExitStack() as closing:
            lock = closing.enter_context(self._lock.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(Reason.BUSY, "Another process is working on this lesson.") from None
            if not os.path.samestat(os.fstat(lock.fileno()), self._lock.stat()):
                raise FileNotFoundError(errno.ENOENT, "the lock was replaced", str(self._lock))
            closing.pop_all()
            return lock

    def adopt(self, path: Path, digest: str) -> Blob:
        """Make a file that lives elsewhere (the lesson) readable as a blob, without a copy."""
        self._outside[digest] = path
        return Blob(digest=digest, size=path.stat().st_size)

    def path(self, blob: Blob) -> Path:
        """Where a blob's bytes are. The file must not be written to."""
        outside = self._outside.get(blob.digest)
        if outside is not None:
            return outside
        return self._objects / blob.digest[:2] / (blob.digest + blob.suffix)

    def keep(self, file: Path) -> Blob:
        """Take over a finished file: it is hashed and moved in. `file` is gone afterwards."""
        blob = Blob(digest=digest_file(file), size=file.stat().st_size, suffix=file.suffix)
        target = self._objects / blob.digest[:2] / (blob.digest + blob.suffix)
        target.parent.mkdir(exist_ok=True)
        file.replace(target)
        return blob

    def recall(self, key: str) -> bytes | None:
        """The record under `key`, or None; also if it is no longer what was written."""
        try:
            seal, ended, record = self._record(key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if not ended or seal != _seal(record):
            log.warning("the record %s is damaged; its work is done again", key)
            return None
        return record

    def remember(self, key: str, record: bytes) -> None:
        """Write a record, all or nothing."""
        target = self._record(key)
        target.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._scratch)
        with os.fdopen(handle, "wb") as file:
            file.write(_seal(record) + b"\n" + record)
        Path(name).replace(target)

    def intact(self, blob: Blob) -> bool:
        """Whether the blob's bytes are here and are still those that were named."""
        path = self.path(blob)
        if blob.digest in self._outside:
            return path.exists()
        try:
            return path.stat().st_size == blob.size and digest_file(path) == blob.digest
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for half-made files, gone at the end whatever happens."""
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _record(self, key: str) -> Path:
        return self._records / key[:2] / key


def _seal(record: bytes) -> bytes:
    return hashlib.sha256(record).hexdigest().encode()


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)

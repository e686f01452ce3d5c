"""References that were checked, on disk, by the hash of their content. One process to a folder."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import (
    MOST_BYTES,
    Limits,
    Reference,
    check,
    key_of,
    seconds_in,
)
from chatterbox_service.references.spooling import spool, sweep

_KEY = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".wav"
_RETRY_SECONDS = 5


class StoreUnusable(Exception):
    """The folder or the bound will not do; its text is one sentence for the operator."""


@dataclass(slots=True)
class _Kept:
    size: int
    verified: bool
    """Whether its content is known to be what its name says."""


class Store:
    """At most `most_bytes`; who was used least recently goes first, and nobody in use goes.

    Files outlive the process; what a killed one left half-written is removed when the next begins.
    Any thread may call. Every method may wait for the disk, and `add` computes up to seconds: not
    for an event loop.
    """

    def __init__(self, folder: Path, most_bytes: int, limits: Limits | None = None) -> None:
        """Raises StoreUnusable. What is stored and too short for `limits` is removed."""
        if most_bytes < MOST_BYTES:
            raise StoreUnusable(f"The store of references needs at least {MOST_BYTES} bytes.")
        self.folder = folder
        self.most_bytes = most_bytes
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """The least recently used first."""
        self._users: Counter[str] = Counter()
        """Apart from what is kept: a file that somebody removed may still have its users."""
        self._size = 0
        self._take_over()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._lock:
            return self._size

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def add(self, recording: Path) -> Reference:
        """Check a recording and keep what the engines need of it; the recording stays as it is.

        Raises Problem: REFERENCE_INVALID, or BUSY when everything that is kept is in use.
        """
        with self.adding(recording) as reference:
            return reference

    @contextmanager
    def adding(self, recording: Path) -> Iterator[Reference]:
        """As `add`, and it is in use until the context ends."""
        with self.keeping(check(recording, self.limits)) as reference:
            yield reference

    @contextmanager
    def keeping(self, reference: Reference) -> Iterator[Reference]:
        """As `adding`, for one that was checked already."""
        self._write(reference)
        try:
            yield reference
        finally:
            self._release(reference.key)

    def get(self, key: str) -> Path | None:
        """Where it lies, as long as nobody needs its room; None for anything that is not kept."""
        with self._lock:
            return self._used(key)

    @contextmanager
    def using(self, key: str) -> Iterator[Path]:
        """It stays where it is until the context ends. Raises Problem VOICE_UNKNOWN."""
        with self._lock:
            path = self._used(key)
            if path is None:
                sentence = "That voice is not known, or no longer: register its recording again."
                raise Problem(Code.VOICE_UNKNOWN, sentence)
            self._users[key] += 1
        try:
            yield path
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        with self._lock:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]

    def _used(self, key: str) -> Path | None:
        if key not in self._kept:
            return None
        path = self._path(key)
        if not self._intact(key, path):
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        with suppress(OSError):
            os.utime(path)
        return path

    def _intact(self, key: str, path: Path) -> bool:
        """What an earlier process left is read once; later its presence will do."""
        kept = self._kept[key]
        if kept.verified:
            return path.is_file()
        try:
            kept.verified = key_of(path.read_bytes()) == key
        except OSError:
            return False
        return kept.verified

    def _write(self, reference: Reference) -> None:
        """Leaves it in use."""
        with spool(self.folder, MOST_BYTES) as spooled:
            spooled.write(reference.wav)
            spooled.sync()
            with self._lock:
                if self._used(reference.key) is None:
                    self._make_room(len(reference.wav))
                    spooled.path.replace(self._path(reference.key))
                    self._kept[reference.key] = _Kept(len(reference.wav), verified=True)
                    self._size += len(reference.wav)
                self._users[reference.key] += 1
        self._sync_folder()

    def _make_room(self, size: int) -> None:
        idle = [key for key in self._kept if key not in self._users]
        for key in idle:
            if self._size + size <= self.most_bytes:
                return
            self._drop(key)
        if self._size + size > self.most_bytes:
            sentence = "All references that fit are in use: try again in a moment."
            raise Problem(Code.BUSY, sentence, retry_after=_RETRY_SECONDS)

    def _drop(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)
        self._size -= self._kept.pop(key).size

    def _path(self, key: str) -> Path:
        """Nothing but a key ever becomes part of a path."""
        if not is_key(key):
            raise ValueError("no key of a reference")
        return self.folder / f"{key}{_SUFFIX}"

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _take_over(self) -> None:
        _make_private(self.folder)
        sweep(self.folder)
        for key, found in sorted(_found(self.folder).items(), key=lambda item: item[1].st_mtime_ns):
            if seconds_in(found.st_size) >= self.limits.least_seconds:
                self._kept[key] = _Kept(found.st_size, verified=False)
                self._size += found.st_size
            else:
                self._path(key).unlink(missing_ok=True)
        while self._size > self.most_bytes:
            self._drop(next(iter(self._kept)))


def is_key(text: str) -> bool:
    """Whether it can be a reference's key: 64 hexadecimal digits, in lower case."""
    return _KEY.fullmatch(text) is not None


def _found(folder: Path) -> dict[str, os.stat_result]:
    """Files only, and only those that are named like ours; links are nobody's."""
    files = {path.stem: path.lstat() for path in folder.iterdir() if path.suffix == _SUFFIX}
    return {key: of for key, of in files.items() if is_key(key) and stat.S_ISREG(of.st_mode)}


def _make_private(folder: Path) -> None:
    """Never changes what is already there: it may be a folder of many uses, named by mistake."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise StoreUnusable(
            f"The folder for references cannot be used: {error.strerror}."
        ) from None
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreUnusable(
            "The folder for references has to belong to the service's user, and nobody else may "
            "write to it."
        )

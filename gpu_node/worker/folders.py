"""The worker's folder: what unfinished jobs have got done, and results not yet accepted.

lock                 held by the one worker that works here
jobs/<job>/store/    the artefact store: a job that comes back goes on from here
jobs/<job>/inputs/   its files, named by digest
jobs/<job>/completion.json   its result, as soon as there is one
trash/               what is being removed
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from gpu_node.artefacts import Store, is_disk_full
from gpu_node.contracts.base import Document, Seconds
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full
from gpu_node.contracts.node_api import Completion

log = logging.getLogger(__name__)

_JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}", re.ASCII)
_ABANDONED_SECONDS = 7 * 86_400
_LOCK_SECONDS = 3.0
"""A worker that has just been killed takes a moment to be gone."""
_LOOK_SECONDS = 0.1


class Pending(Document):
    """A result that has not been accepted yet, and with what it may be sent."""

    job: str
    heartbeat_seconds: Seconds
    completion: Completion


class JobFolder:
    """One job's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "store")
        self._inputs = root / "inputs"
        self._completion = root / "completion.json"

    @property
    def job(self) -> str:
        return self.root.name

    def open(self) -> None:
        """Make it, or say that it is in use. Raises DubfleetError(DISK_FULL)."""
        with _disk_full_said():
            self._inputs.mkdir(parents=True, exist_ok=True)
            os.utime(self.root)

    def input(self, blob: Blob) -> Path:
        return self._inputs / (blob.digest + blob.suffix)

    def keep(self, pending: Pending) -> None:
        """Write a result down for good, all or nothing. Raises DubfleetError(DISK_FULL)."""
        with _disk_full_said():
            handle, name = tempfile.mkstemp(dir=self.root)
            with os.fdopen(handle, "wb") as file:
                file.write(pending.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._completion)
            _sync_folder(self.root)

    def forget(self) -> None:
        """There is no result to send."""
        self._completion.unlink(missing_ok=True)

    @property
    def holds_result(self) -> bool:
        return self._completion.exists()

    def pending(self) -> Pending | None:
        """The result that waits here. One that cannot be read is forgotten: it is made again."""
        try:
            return Pending.model_validate_json(self._completion.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            log.warning("the result of job %s is unreadable: %s", self.job, error)
            self.forget()
            return None


@dataclass(frozen=True, slots=True)
class Held:
    """What one job folder takes of the disk. `safe`: it may not be removed."""

    folder: Path
    size: int
    used_at: float
    safe: bool


class WorkFolder:
    """All of a worker's jobs."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root.absolute()
        self._jobs = self._root / "jobs"
        self._trash = self._root / "trash"
        self._max_bytes = max_bytes

    def hold(self) -> IO[str]:
        """Keep others out until the file is closed, here and in every process we fork.

        Raises DubfleetError: BUSY, OUTPUT_UNWRITABLE.
        """
        try:
            # The group may pass, for the guard reads the lock and the pulse; jobs are ours alone.
            self._root.mkdir(parents=True, exist_ok=True, mode=0o710)
            for folder in (self._jobs, self._trash):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self._root / "lock").open("w")
        except OSError as error:
            raise DubfleetError(
                Reason.OUTPUT_UNWRITABLE,
                f"NODE_WORK_FOLDER cannot be written to: {error.strerror}.",
            ) from error
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise DubfleetError(
                        Reason.BUSY,
                        "Another worker is at work in NODE_WORK_FOLDER: give each its own folder.",
                    ) from None
                time.sleep(_LOOK_SECONDS)

    def job(self, job: str) -> JobFolder:
        """A job's folder, which may not exist yet. Raises ValueError for an id that is none."""
        if not _JOB_ID.fullmatch(job):
            raise ValueError("the main server gave a job an id that cannot be a folder's name")
        return JobFolder(self._jobs / job)

    def results(self) -> Sequence[JobFolder]:
        """The jobs whose results wait to be sent, the oldest first."""
        found = [folder for folder in self._folders() if folder.holds_result]
        return sorted(found, key=lambda folder: folder.root.stat().st_mtime)

    def remove(self, folder: JobFolder) -> None:
        """Remove a job's folder; it is gone at once, its files a little later."""
        with contextlib.suppress(OSError):
            away = Path(tempfile.mkdtemp(dir=self._trash))
            folder.root.replace(away / folder.job)
            shutil.rmtree(away, ignore_errors=True)

    def tidy(self, now: float) -> None:
        """Remove what nobody will come back for."""
        for entry in self._trash.iterdir():
            shutil.rmtree(entry, ignore_errors=True)
        for folder in self._folders():
            if now - folder.root.stat().st_mtime > _ABANDONED_SECONDS:
                log.info("removing job %s, which nobody came back for", folder.job)
                self.remove(folder)

    def make_room(self, needed: int, ours: JobFolder) -> None:
        """Remove old jobs until there is room for ours. Raises DubfleetError(DISK_FULL)."""
        held = [self._held(folder, ours) for folder in self._folders()]
        free = shutil.disk_usage(self._root).free
        for victim in victims(held, free=free, needed=needed, bound=self._max_bytes):
            log.info("removing job %s to make room", victim.folder.name)
            self.remove(JobFolder(victim.folder))
        free = shutil.disk_usage(self._root).free
        if free < needed:
            raise disk_full(f"{needed} bytes are needed for this job's files, {free} are free")

    def _folders(self) -> Iterator[JobFolder]:
        for entry in self._jobs.iterdir():
            if entry.is_dir() and _JOB_ID.fullmatch(entry.name):
                yield JobFolder(entry)

    def _held(self, folder: JobFolder, ours: JobFolder) -> Held:
        return Held(
            folder=folder.root,
            size=_size(folder.root),
            used_at=folder.root.stat().st_mtime,
            safe=folder.root == ours.root or folder.holds_result,
        )


def victims(held: Sequence[Held], *, free: int, needed: int, bound: int) -> Sequence[Held]:
    """Which folders to remove, the longest unused first, so that `needed` more bytes fit. Pure."""
    used = sum(one.size for one in held)
    chosen: list[Held] = []
    for one in sorted((h for h in held if not h.safe), key=lambda h: h.used_at):
        if used + needed <= bound and free >= needed:
            break
        chosen.append(one)
        used -= one.size
        free += one.size
    return chosen


def _size(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(path) / name).stat().st_size
    return total


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_full_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(str(error)) from error
        raise

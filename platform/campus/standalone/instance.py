"""One site per folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campus.standalone.errors import StandaloneError


class Instance:
    """The right to run a site in a folder, and the line that others who want it too are told."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def announce(self, where: str) -> None:
        """Say where the site is to be found."""
        self._file.write_text(f"{where}\n", encoding="utf-8")


@contextmanager
def only_instance(folder: Path, what: str = "site") -> Iterator[Instance]:
    """Be the only one here. Raises StandaloneError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        note = folder / "running"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StandaloneError(_sentence(folder, what, note)) from None
        note.unlink(missing_ok=True)
        try:
            yield Instance(note)
        finally:
            note.unlink(missing_ok=True)


def _sentence(folder: Path, what: str, note: Path) -> str:
    try:
        where = note.read_text(encoding="utf-8").strip()
    except OSError:
        where = ""
    at = f" at {where}" if where else ""
    return f"A {what} is already running here{at} (its data: {folder}); stop that one first."

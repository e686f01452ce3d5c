"""Where a dub keeps its work, and how its results reach the user: all of them or none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gpu_node.artefacts import Busy, Store, digest_of, is_disk_full
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full, stopped

_ABANDONED_SECONDS = 7 * 86_400
"""What a killed run left is kept this long for another try."""


_LONGEST_NAME = 255
"""In bytes, on every file system that Linux commonly uses."""


@contextlib.contextmanager
def cache_folder() -> Iterator[Path]:
    """The folder for unfinished work: the user's cache, else a folder of theirs in /tmp.

    What had to be made for it is removed again at the end, if it is empty by then.
    """
    folder, made = _open_cache()
    try:
        yield folder
    finally:
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()


def _open_cache() -> tuple[Path, list[Path]]:
    """A folder that can be worked in, and which folders were made for it, innermost first."""
    named = os.environ.get("XDG_CACHE_HOME")
    candidates = [Path(named)] if named else []
    with contextlib.suppress(RuntimeError):
        candidates.append(Path.home() / ".cache")
    with contextlib.suppress(FileNotFoundError):
        candidates.append(Path(tempfile.gettempdir()) / f"cache-{os.getuid()}")
    for candidate in candidates:
        folder = candidate / "dubfleet"
        with contextlib.suppress(OSError):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.access(folder, os.W_OK | os.X_OK) and folder.stat().st_uid == os.getuid():
                return folder, missing
    raise DubfleetError(
        Reason.OUTPUT_UNWRITABLE,
        "There is no folder to work in: name one that can be written to with --work.",
    )


def prune(cache: Path, now: float) -> None:
    """Remove what killed runs left behind long ago; never what a living one works in."""
    for folder in cache.iterdir():
        with contextlib.suppress(OSError, Busy):
            if now - folder.stat().st_mtime < _ABANDONED_SECONDS:
                continue
            store = Store(folder)
            with store.exclusive():
                store.remove()


@contextlib.contextmanager
def store_at(named: Path | None, key: str) -> Iterator[Store]:
    """The store for this piece of work, held for us alone. Raises Busy, DISK_FULL.

    A folder the user named is kept. One of our own is removed at the end, also after an error:
    only a run that was killed leaves one, and the next run of the same work takes it up.
    """
    with contextlib.ExitStack() as stack:
        if named is None:
            cache = stack.enter_context(cache_folder())
            prune(cache, time.time())
            yield stack.enter_context(_held(cache / key[:32], ours=True))
        else:
            yield stack.enter_context(_held(named, ours=False))


@contextlib.contextmanager
def _held(root: Path, *, ours: bool) -> Iterator[Store]:
    store = Store(root)
    held = False
    try:
        with store.exclusive():
            held = True
            try:
                yield store
            finally:
                if ours:
                    store.remove()
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(str(error)) from error
        if not held:
            raise DubfleetError(
                Reason.OUTPUT_UNWRITABLE,
                "The folder for the work cannot be written to: name another with --work.",
                detail=str(error),
            ) from error
        raise


def require_output(output: Path, inputs: Mapping[str, Path]) -> None:
    """Refuse a place that cannot take the dub, before any work is done.

    Raises DubfleetError: OUTPUT_NOT_MP4, OUTPUT_IS_INPUT, OUTPUT_UNWRITABLE.
    """
    if output.suffix.lower() != ".mp4":
        raise DubfleetError(
            Reason.OUTPUT_NOT_MP4, "The dub is written as MP4: give -o a name that ends in .mp4."
        )
    require_writable(output, inputs, "-o")


def require_writable(target: Path, others: Mapping[str, Path], option: str) -> None:
    """Refuse a file that cannot be written, or that is one of `others` (described file: path)."""
    if len(os.fsencode(target.name)) > _LONGEST_NAME:
        raise DubfleetError(
            Reason.OUTPUT_UNWRITABLE,
            f"The output's name, or that of the subtitles beside it, is too long: give {option} a "
            "shorter one.",
        )
    if target.is_dir():
        raise DubfleetError(
            Reason.OUTPUT_UNWRITABLE,
            f"There is a folder where a file should be written: choose another name for {option}.",
        )
    for what, path in others.items():
        if _same_file(target, path):
            raise DubfleetError(
                Reason.OUTPUT_IS_INPUT,
                f"The output is the {what} itself: choose another name for {option}.",
            )
    if not target.parent.is_dir():
        raise DubfleetError(
            Reason.OUTPUT_UNWRITABLE, "The output's folder does not exist: create it first."
        )
    if not _writable(target.parent):
        raise DubfleetError(
            Reason.OUTPUT_UNWRITABLE,
            f"The output's folder cannot be written to: choose another with {option}.",
        )


def deliver(files: Mapping[Path, Path | bytes], stop: threading.Event | None = None) -> None:
    """Put results in their places: copies first, then renames, so no half file is ever seen.

    Raises DubfleetError: DISK_FULL, OUTPUT_UNWRITABLE, CANCELLED. Nothing new is left behind then.
    """
    # Short, so that a name as long as a file system takes still has a neighbour.
    parts = {
        target: target.with_name(f".dub-{digest_of(os.fsencode(target.name).hex())[:12]}.part")
        for target in files
    }
    try:
        for target, content in files.items():
            if isinstance(content, bytes):
                parts[target].write_bytes(content)
            else:
                shutil.copyfile(content, parts[target])
            if stop is not None and stop.is_set():
                raise stopped()
        for target, part in parts.items():
            part.replace(target)
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(str(error)) from error
        raise DubfleetError(
            Reason.OUTPUT_UNWRITABLE,
            f"The result could not be written: {error.strerror or error}.",
        ) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _writable(folder: Path) -> bool:
    """By trying: a mode says little about root, network shares and read-only mounts."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(str(error)) from error
        return False


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()

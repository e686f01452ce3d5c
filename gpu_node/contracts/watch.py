"""What a guard keeps its watch with: a clock that nobody sets, and a memory on disk.

Both guards, the one on the main server and the one on a node, look once and exit; the next look
goes on from what this one has written down.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gpu_node.contracts.base import Contract, Document

log = logging.getLogger(__name__)

GAP_SECONDS = 300.0
"""Looks that are further apart than that are no watch: it begins anew."""

SILENT_SECONDS = 180.0
"""A pulse that has not changed for so long is nobody's. A worker lets at most 60 s pass."""

RETRY_SECONDS = 300.0
"""Between two requests to shelve. One that failed shows as a server that is awake as before."""

SHELVABLE = frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"})
"""Statuses from which Nova takes a request to shelve."""

LOOK_SECONDS = 240
"""Whatever hangs, the kernel ends the look then, and the timer begins the next one."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on this machine's own clock.

    `seconds` since the machine started, its sleep included; `boot` names that start, and seconds of
    two different starts cannot be compared.
    """

    boot: str
    seconds: float


class Mark(Contract):
    """A pulse as it was seen, and since when it has been this one."""

    value: str
    since: float


class WatchMemory(Document):
    """What every guard remembers. Times are seconds of the machine's start `boot`."""

    boot: str
    looked: float


class Busy(Exception):
    """Another look is being taken."""


def begin_look(program: str, description: str) -> bool:
    """What every guard's program begins with. Returns whether it is to ask for nothing."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument(
        "--dry-run", action="store_true", help="watch and say what would be done, ask for nothing"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    signal.alarm(LOOK_SECONDS)
    dry: bool = arguments.dry_run
    return dry


def instant() -> Instant:
    """This moment. The clock goes on while the machine sleeps, and nobody can set it."""
    return Instant(_BOOT_ID.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))


def goes_on(before: WatchMemory | None, now: Instant) -> bool:
    """Whether this look continues the watch of the last one. Pure."""
    if before is None or before.boot != now.boot:
        return False
    return 0 <= now.seconds - before.looked <= GAP_SECONDS


def mark(before: Mark | None, value: str | None, now: Instant) -> Mark | None:
    """The pulse that is seen now, and since when it has been the same. Pure."""
    if value is None:
        return None
    if before is not None and before.value == value:
        return before
    return Mark(value=value, since=now.seconds)


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Two looks at once would each forget what the other asked for. Raises Busy, OSError."""
    state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with state.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield


M = TypeVar("M", bound=WatchMemory)


def read_memory(model: type[M], state: Path) -> M | None:
    """What was written last; None, and the watch begins anew, when there is nothing usable."""
    try:
        return model.model_validate_json(state.read_bytes())
    except FileNotFoundError:
        log.info("nothing is remembered: the watch begins")
    except (OSError, ValidationError) as error:
        log.warning("the memory cannot be read, the watch begins anew: %s", type(error).__name__)
    return None


def write_memory(state: Path, memory: WatchMemory) -> None:
    """All or nothing, and for good. Raises OSError."""
    new = state.with_suffix(".new")
    with new.open("wb") as file:
        file.write(memory.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(state)
    handle = os.open(state.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

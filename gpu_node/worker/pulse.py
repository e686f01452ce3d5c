"""The worker's pulse: into a file for the guard on this node, and straight to Redis."""

from __future__ import annotations

import contextlib
import logging
import mmap
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from gpu_node.contracts.node_api import ClaimedJob
from gpu_node.contracts.pulse import KEPT_SECONDS, PULSE_FILE, NodePulse, node_key
from gpu_node.worker.attempt import Bench, Outcome
from gpu_node.worker.folders import JobFolder, Pending

log = logging.getLogger(__name__)

_TIMEOUT = 1.0
"""For each thing that Redis is asked. The heartbeat to the main server waits for us meanwhile."""
_REST_SECONDS = 30.0
"""Redis did not answer: it is left alone for so long, so that heartbeats keep their pace."""

_LENGTH = struct.Struct("=q")
_LONGEST_JOB = 64


class Desk:
    """Which job the pool's child is at, in memory that the main process sees.

    Only the child writes. The length goes first to 0 and last to its new value, so that half a name
    is not taken for a whole one.
    """

    def __init__(self) -> None:
        """Before the fork."""
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    @contextlib.contextmanager
    def holds(self, job: str) -> Iterator[None]:
        """While this job is worked at."""
        self._write(job)
        try:
            yield
        finally:
            self._write("")

    @property
    def job(self) -> str | None:
        """None also while it is being written."""
        length: int = _LENGTH.unpack_from(self._page)[0]
        written = self._page[_LENGTH.size : _LENGTH.size + length]
        if not length or _LENGTH.unpack_from(self._page)[0] != length:
            return None
        return written.decode("ascii", errors="replace")

    def _write(self, job: str) -> None:
        name = job.encode("ascii", errors="replace")[:_LONGEST_JOB]
        _LENGTH.pack_into(self._page, 0, 0)
        self._page[_LENGTH.size : _LENGTH.size + len(name)] = name
        _LENGTH.pack_into(self._page, 0, len(name))


@dataclass(frozen=True, kw_only=True)
class SeenBench(Bench):
    """A bench that shows which job lies on it."""

    desk: Desk

    def do(self, claimed: ClaimedJob) -> Outcome:
        with self.desk.holds(claimed.job):
            return super().do(claimed)

    def send(self, folder: JobFolder, pending: Pending) -> Outcome:
        with self.desk.holds(folder.job):
            return super().send(folder, pending)


@dataclass(frozen=True, slots=True)
class Occupation:
    """What the worker is at."""

    busy: bool
    job: str | None = None
    kept: bool = False


class PulseWriter:
    """Tells everybody who may look that this worker is there, and what it is at."""

    def __init__(
        self,
        node: str,
        boot_id: str,
        redis_url: str,
        work_folder: Path,
        occupation: Callable[[], Occupation],
    ) -> None:
        self._node, self._boot_id = node, boot_id
        self._occupation = occupation
        self._file = work_folder.absolute() / PULSE_FILE
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._beats = 0
        self._redis_at = 0.0
        self._trouble: dict[str, str] = {}

    def beat(self, at_once: bool = False) -> None:
        """Write the pulse. What cannot be written is logged once, and tried again later.

        `at_once`: Redis is tried although it did not answer a moment ago.
        """
        pulse = self._pulse()
        self._try("the file", OSError, lambda: self._keep(pulse))
        if time.monotonic() < self._redis_at and not at_once:
            return
        if not self._try("Redis", (RedisError, OSError), lambda: self._send(pulse)):
            self._redis_at = time.monotonic() + _REST_SECONDS

    def _pulse(self) -> NodePulse:
        now = self._occupation()
        self._beats += 1
        return NodePulse(
            boot_id=self._boot_id,
            beat=self._beats,
            at=datetime.now(UTC),
            node=self._node,
            busy=now.busy,
            job=now.job,
            kept=now.kept,
        )

    def _keep(self, pulse: NodePulse) -> None:
        """All or nothing, for the guard's group to read.

        Not synced: after a power cut it would speak of a worker that is gone.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        # One name, for there is one worker in a work folder.
        new = self._file.with_suffix(".new")
        new.write_bytes(pulse.model_dump_json().encode())
        new.replace(self._file)

    def _send(self, pulse: NodePulse) -> None:
        self._redis.set(node_key(self._node), pulse.model_dump_json(), ex=KEPT_SECONDS)

    def _try(
        self,
        where: str,
        troubles: type[Exception] | tuple[type[Exception], ...],
        write: Callable[[], None],
    ) -> bool:
        """Whether it was written. A change is logged, not every beat, and no address."""
        try:
            write()
        except troubles as error:
            said = type(error).__name__
            if self._trouble.get(where) != said:
                log.warning("the worker's pulse was not written to %s: %s", where, said)
            self._trouble[where] = said
            return False
        if self._trouble.pop(where, None):
            log.info("the worker's pulse is written to %s again", where)
        return True

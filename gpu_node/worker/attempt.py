"""One attempt at a job, from the claim to its end, whatever the site and the disk do meanwhile."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from gpu_node.artefacts import digest_file, is_disk_full
from gpu_node.client import NodeClient
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full
from gpu_node.contracts.jobs import JobSpec
from gpu_node.contracts.node_api import ClaimedJob, Completion
from gpu_node.cost import Cost, peak_memory_mb
from gpu_node.kinds.kind import Kind, open_job
from gpu_node.runner import run_graph
from gpu_node.transfers.fetching import Fetching
from gpu_node.transfers.ways import Ways
from gpu_node.worker.folders import JobFolder, Pending, WorkFolder
from gpu_node.worker.lease import Dropped, Lease, Why
from gpu_node.worker.progress import DOWNLOAD
from gpu_node.worker.reporting import Reporter

log = logging.getLogger(__name__)

_ROOM_FACTOR = 2
_LEAST_ROOM_BYTES = 64 << 20
"""A job takes its inputs, a result about as large, and the sound."""


class Outcome(StrEnum):
    """How an attempt ended, as far as this node is concerned."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    KEPT = "kept"
    """The worker stops; the result is on disk and will be sent at the next start."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What attempts are made with."""

    client: NodeClient
    folders: WorkFolder
    kinds: Mapping[str, Kind[Any]]
    stopping: Callable[[], bool]
    secrets: tuple[str, ...] = ()
    ways: Ways | None = None
    """How files travel; over HTTPS only if nothing is said."""

    def do(self, claimed: ClaimedJob) -> Outcome:
        """Do a job that was claimed. Raises ValueError for a job that cannot have a folder."""
        folder = self.folders.job(claimed.job)
        lease = Lease(
            self.client,
            claimed.job,
            claimed.token,
            every=claimed.heartbeat_seconds,
            stopping=self.stopping,
            downloads=claimed.downloads,
        )
        attempt = _Attempt(self, folder, lease, claimed.token)
        return attempt.run(lambda: attempt.work(claimed), again=False)

    def send(self, folder: JobFolder, pending: Pending) -> Outcome:
        """Hand in a result that an earlier process has left."""
        token = pending.completion.token
        lease = Lease(
            self.client,
            folder.job,
            token,
            every=pending.heartbeat_seconds,
            stopping=self.stopping,
        )
        return _Attempt(self, folder, lease, token).run(lambda: pending, again=True)


@dataclass(frozen=True, slots=True)
class _Attempt:
    bench: Bench
    folder: JobFolder
    lease: Lease
    token: str

    @property
    def reporter(self) -> Reporter:
        return Reporter(
            self.bench.client,
            self.folder,
            self.lease,
            self.token,
            self.bench.secrets,
            self.bench.ways,
        )

    def run(self, result: Callable[[], Pending], *, again: bool) -> Outcome:
        """Get the result, hand it in, and clear up: the lease is renewed all the while."""
        with self.lease:
            try:
                outcome = self._to_its_end(result, again)
            except Dropped as dropped:
                outcome = self._drop(dropped.why)
        log.info("job %s: %s", self.folder.job, outcome)
        return outcome

    def _to_its_end(self, result: Callable[[], Pending], again: bool) -> Outcome:
        """Raises Dropped."""
        try:
            self.reporter.hand_in(result().completion, again=again)
        except Dropped:
            raise
        except Exception as error:
            # When the work is to end, whatever it says of itself comes from that.
            self.lease.look()
            self.folder.forget()
            self.reporter.fail(_understood(error, self.folder.job))
            return Outcome.FAILED
        self.bench.folders.remove(self.folder)
        return Outcome.SUCCEEDED

    def work(self, claimed: ClaimedJob) -> Pending:
        """Do the work. Raises DubfleetError, Dropped."""
        began = time.monotonic()
        spec, lease, store = claimed.spec, self.lease, self.folder.store
        self.folder.open()
        # A result that is still here belongs to an attempt that does not count any more.
        self.folder.forget()
        self.bench.folders.tidy(time.time())
        self.bench.folders.make_room(_room_for(spec), self.folder)
        with store.exclusive():
            for name, path in self._fetch(spec).items():
                store.adopt(path, spec.inputs[name].digest)
            with open_job(spec, self.bench.kinds, store, lease.stop) as opened:
                finished = run_graph(
                    opened.graph, store, observer=lease.stages.observe, stop=lease.stop
                )
                cost = Cost(time.monotonic() - began, peak_memory_mb())
                delivery = opened.deliver(finished, cost)
        pending = Pending(
            job=claimed.job,
            heartbeat_seconds=claimed.heartbeat_seconds,
            completion=Completion(
                token=claimed.token,
                result=delivery.result.model_dump(mode="json"),
                outputs=dict(delivery.outputs),
            ),
        )
        self.folder.keep(pending)
        return pending

    def _fetch(self, spec: JobSpec) -> Mapping[str, Path]:
        """The inputs as files here, fetched unless they are here already."""
        paths = {name: self.folder.input(blob) for name, blob in spec.inputs.items()}
        total = sum(blob.size for blob in spec.inputs.values()) or 1
        tell = self.lease.stages.share_of(DOWNLOAD)
        done = 0
        for name, blob in spec.inputs.items():
            if not self._is_here(paths[name], blob):
                share = partial(_tell_part, tell, done, blob.size, total)
                fetching = Fetching(
                    blob,
                    paths[name],
                    partial(self.lease.link, name),
                    self.lease.beat,
                    self.bench.ways,
                )
                fetching.run(self.lease.pause, share)
            done += blob.size
        tell(1.0)
        return paths

    def _is_here(self, path: Path, blob: Blob) -> bool:
        if not path.exists() or path.stat().st_size != blob.size:
            return False
        return digest_file(path, self.lease.stop) == blob.digest

    def _drop(self, why: Why) -> Outcome:
        match why:
            case Why.STOPPING if self.folder.holds_result:
                return Outcome.KEPT
            case Why.STOPPING:
                self.reporter.give_back()
                return Outcome.RELEASED
            case Why.SUPERSEDED:
                # It may come back to us, and then goes on from what is done.
                self.folder.forget()
                return Outcome.SUPERSEDED
            case Why.CANCELLED:
                self.bench.folders.remove(self.folder)
                return Outcome.CANCELLED
            case Why.UNKNOWN:
                self.bench.folders.remove(self.folder)
                return Outcome.UNKNOWN


def _room_for(spec: JobSpec) -> int:
    return _LEAST_ROOM_BYTES + _ROOM_FACTOR * sum(blob.size for blob in spec.inputs.values())


def _tell_part(
    tell: Callable[[float], None], done: int, size: int, total: int, share: float
) -> None:
    # Not 1 before all is verified.
    tell(min(0.999, (done + share * size) / total))


def _understood(error: Exception, job: str) -> DubfleetError:
    """A failure in the words of the contract."""
    if isinstance(error, DubfleetError):
        return error
    if is_disk_full(error):
        return disk_full(str(error))
    log.error("job %s failed by mistake", job, exc_info=error)
    return DubfleetError(
        Reason.INTERNAL,
        f"A mistake in the node's program: {type(error).__name__}. An operator should report it.",
        detail="".join(traceback.format_exception(error)),
    )

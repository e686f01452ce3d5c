"""The hold on a job: a thread that renews it, and the word that the work is no longer wanted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Self

from gpu_node.client import NodeClient, Refused, SiteAway
from gpu_node.contracts.node_api import JobBeat, RefusalReason
from gpu_node.worker.progress import Stages, steps

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_SOON_SECONDS = 1.0
"""What was finished is told sooner than a heartbeat is due: people watch, and a job that gets
somewhere each time before its node dies is not poison."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 60.0


class Why(StrEnum):
    """Why a job is not gone on with."""

    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    STOPPING = "stopping"


_OVER = {
    RefusalReason.SUPERSEDED: Why.SUPERSEDED,
    RefusalReason.CANCELLED: Why.CANCELLED,
    RefusalReason.JOB_UNKNOWN: Why.UNKNOWN,
}
"""Refusals that end the work. All others are trouble between the site and us, and may pass."""


class Dropped(Exception):
    """The job is not gone on with."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


class Lease:
    """Renews a job's lease until it is left, and sets `stop` when the work is to end.

    A site that is away ends nothing: the heartbeat is tried again for as long as the work goes on,
    and a lease that ran out counts again if nobody took the job.
    """

    def __init__(
        self,
        client: NodeClient,
        job: str,
        token: str,
        *,
        every: float,
        stopping: Callable[[], bool],
        downloads: Mapping[str, str] | None = None,
    ) -> None:
        self.stop = threading.Event()
        """For the graph. It may also be set by the runner, after an error of its own."""
        self.stages = Stages()
        self._client = client
        self._job, self._token = job, token
        self._every = min(max(every, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        self._told_to_stop = stopping
        self._asked_back = False
        self._downloads = dict(downloads or {})
        self._over: Why | None = None
        self._told = 0
        self._stop_seen_at: float | None = None
        self._left = threading.Event()
        self._beating = threading.Lock()
        self._heard = True

    def __enter__(self) -> Self:
        # Two, because a site that is slow to answer must not make us slow to stop. They are
        # daemons: one may be waiting for an answer that nobody needs any more.
        for target in (self._keep_beating, self._keep_watch):
            threading.Thread(target=target, name="lease", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def _stopping(self) -> bool:
        """The worker ends, or the server wants the job back: what is done of it is kept."""
        return self._asked_back or self._told_to_stop()

    def link(self, name: str) -> str | None:
        """Where an input is to be had."""
        return self._downloads.get(name)

    def look(self, grace: float = 0.0) -> None:
        """Raise Dropped if the work is to end; a worker that stops may have `grace` seconds."""
        if self._over is not None:
            raise Dropped(self._over)
        if self._stopping():
            now = time.monotonic()
            self._stop_seen_at = self._stop_seen_at or now
            if now - self._stop_seen_at >= grace:
                raise Dropped(Why.STOPPING)

    def pause(self, seconds: float, grace: float = 0.0) -> None:
        """Wait. Raises Dropped as soon as the work is to end."""
        deadline = time.monotonic() + seconds
        self.look(grace)
        while (left := deadline - time.monotonic()) > 0:
            self._left.wait(min(left, _LOOK_SECONDS))
            self.look(grace)

    def end(self, refused: Refused) -> None:
        """The server has refused something for good. Raises Dropped if that ends the work."""
        why = _OVER.get(refused.reason)
        if why is not None:
            self._over = self._over or why
            self.stop.set()
            raise Dropped(self._over)

    def beat(self) -> bool:
        """Renew the lease now; whether that was heard. A failure is logged, the next one comes."""
        with self._beating:
            done = self.stages.now()
            try:
                orders = self._client.job_beat(
                    self._job, JobBeat(token=self._token, steps=steps(done), stages=done[:200])
                )
            except SiteAway as trouble:
                self._note(heard=False, said=str(trouble))
            except Refused as refused:
                self._refused(refused)
                return False
            else:
                self._told = steps(done)
                self._note(heard=True, said="The main server answers again.")
                self._downloads.update(orders.downloads)
                self._asked_back = self._asked_back or orders.give_back
            return self._heard

    def _refused(self, refused: Refused) -> None:
        try:
            self.end(refused)
        except Dropped as dropped:
            if not self._left.is_set():
                log.info("job %s is not wanted any more: %s", self._job, dropped.why)
        else:
            self._note(heard=False, said=f"The heartbeat was refused: {refused}")

    def _keep_beating(self) -> None:
        last = time.monotonic()
        while not self._left.wait(_LOOK_SECONDS):
            since = time.monotonic() - last
            if since < self._every and not (since >= _SOON_SECONDS and self._gained()):
                continue
            last = time.monotonic()
            try:
                self.beat()
            except Exception:  # the thread has to live for as long as the work does
                log.exception("a heartbeat of job %s failed", self._job)

    def _gained(self) -> bool:
        """Whether something was finished that the site does not know of."""
        return steps(self.stages.now()) > self._told

    def _keep_watch(self) -> None:
        while not self._left.wait(_LOOK_SECONDS):
            if self._stopping():
                self._stop_seen_at = self._stop_seen_at or time.monotonic()
                self.stop.set()

    def _note(self, *, heard: bool, said: str) -> None:
        """Log a change, not every beat."""
        if heard != self._heard:
            log.warning("job %s: %s", self._job, said)
        self._heard = heard

"""What the doorbell sets off: results of before are handed in, then job after job is done."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from gpu_node.client import Refused, SiteAway, persist
from gpu_node.contracts.node_api import ClaimReply, ClaimRequest
from gpu_node.worker.attempt import Bench, Outcome
from gpu_node.worker.board import Board

log = logging.getLogger(__name__)

_CLAIM_SECONDS = 20.0
"""The doorbell rings again when the site is back: no need to wait for it here."""
_LOOK_SECONDS = 0.2

_LEFT = frozenset({Outcome.RELEASED, Outcome.KEPT})
"""The worker stops."""

NOTHING = "nothing"


@dataclass(slots=True)
class Terminated:
    """Whether this process alone was told to end, as an operator does through Flower."""

    told: bool = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within it SIGTERM is a word to look at; after it, it is obeyed."""
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
            if self.told:
                signal.raise_signal(signal.SIGTERM)

    def _note(self, _: int, __: FrameType | None) -> None:
        self.told = True


def work(bench: Bench, board: Board, boot_id: str) -> Mapping[str, str | None]:
    """Work until there is nothing to do; which job was the last, and how it ended."""
    last: dict[str, str | None] = {"job": None, "outcome": NOTHING}
    for folder in bench.folders.results():
        pending = folder.pending()
        if pending is None:
            continue
        outcome = bench.send(folder, pending)
        last = {"job": folder.job, "outcome": outcome}
        if outcome in _LEFT:
            return last
    while board.ready and not bench.stopping():
        reply = _claim(bench, ClaimRequest(boot_id=boot_id, kinds=tuple(sorted(bench.kinds))))
        if reply is None or reply.job is None:
            break
        try:
            outcome = bench.do(reply.job)
        except ValueError:
            log.exception("a job that was claimed cannot be done")
            break
        last = {"job": reply.job.job, "outcome": outcome}
        if outcome in _LEFT:
            break
    return last


def _claim(bench: Bench, request: ClaimRequest) -> ClaimReply | None:
    deadline = time.monotonic() + _CLAIM_SECONDS

    def wait(seconds: float) -> None:
        until = time.monotonic() + seconds
        if until > deadline:
            raise SiteAway("The main server is away: no job was claimed.")
        while (left := until - time.monotonic()) > 0:
            if bench.stopping():
                raise SiteAway("The worker stops: no job was claimed.")
            time.sleep(min(left, _LOOK_SECONDS))

    try:
        return persist(partial(bench.client.claim, request), wait)
    except SiteAway as away:
        log.warning("%s", away)
    except Refused as refused:
        log.error("a claim was refused: %s", refused)
    return None

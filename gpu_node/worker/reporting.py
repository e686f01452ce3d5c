"""What an attempt has to say to the site when its work has ended, one way or another."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gpu_node.client import NodeClient, NotUnderstood, Refused, SiteAway, persist
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.node_api import (
    Completion,
    Failure,
    RefusalReason,
    Release,
    UploadRequest,
)
from gpu_node.redaction import redact
from gpu_node.transfers.sending import Sending
from gpu_node.transfers.ways import Ways
from gpu_node.worker.folders import JobFolder
from gpu_node.worker.lease import Dropped, Lease, Why
from gpu_node.worker.progress import UPLOAD

log = logging.getLogger(__name__)

T = TypeVar("T")
Pause = Callable[[float], None]

GRACE_SECONDS = 25.0
"""A worker that stops may still hand in a finished result for so long."""
_RELEASE_SECONDS = 5.0

_LONGEST_LAST_PAUSE = 5.0

_MOST_ODD = 20
_MOST_ROUNDS = 5
"""So often an accepted upload may be missing when the result is handed in."""

_SENTENCE_LIMIT, _DETAIL_LIMIT = 1000, 20_000


@dataclass(frozen=True, slots=True)
class Reporter:
    """Speaks for one attempt. All of it raises Dropped when the site wants no more of it."""

    client: NodeClient
    folder: JobFolder
    lease: Lease
    token: str
    secrets: tuple[str, ...] = ()
    """Words that may not appear in what is reported."""
    ways: Ways | None = None
    """How files travel; over HTTPS only if nothing is said."""

    def hand_in(self, completion: Completion, *, again: bool = False) -> None:
        """Send the result until it is accepted. Raises DubfleetError(INTERNAL), Dropped.

        `again`: an earlier process may have got as far as having it accepted, and then nothing may
        be uploaded any more.
        """
        pause = partial(self.lease.pause, grace=GRACE_SECONDS)
        files = {blob: self.folder.store.path(blob) for blob in completion.outputs.values()}
        sending = Sending(files, partial(self._ask, pause), self.ways)
        last_pause = self._last_pause(pause)
        complete = partial(self.client.complete, self.folder.job, completion)
        for attempt in range(_MOST_ROUNDS):
            if attempt or not again:
                sending.run(pause, self.lease.stages.share_of(UPLOAD))
            try:
                self._insist(complete, last_pause)
            except Refused as refused:
                if refused.reason is not RefusalReason.OUTPUT_MISSING:
                    raise _not_taken(refused) from refused
            else:
                return
        raise DubfleetError(
            Reason.INTERNAL, "The main server does not find a result that was sent to it."
        )

    def fail(self, error: DubfleetError) -> None:
        """Report a failure until it is heard. Raises Dropped."""
        clean = partial(redact, secrets=(self.token, *self.secrets))
        failure = Failure(
            token=self.token,
            reason=error.reason,
            sentence=clean(error.sentence)[:_SENTENCE_LIMIT],
            detail=clean(error.detail)[-_DETAIL_LIMIT:],
        )
        log.warning("job %s failed: %s (%s)", self.folder.job, failure.sentence, error.reason)
        try:
            self._insist(
                partial(self.client.fail, self.folder.job, failure),
                partial(self.lease.pause, grace=_RELEASE_SECONDS),
            )
        except (Refused, DubfleetError) as trouble:
            # The lease will run out.
            log.error("job %s: its failure was not taken: %s", self.folder.job, trouble)

    def give_back(self) -> None:
        """Say that somebody else may have the job, if the site can be reached in time."""
        deadline = time.monotonic() + _RELEASE_SECONDS

        def pause(seconds: float) -> None:
            if time.monotonic() + seconds > deadline:
                raise Dropped(Why.STOPPING)
            time.sleep(seconds)

        release = Release(token=self.token)
        with suppress(Dropped, Refused):
            persist(partial(self.client.release, self.folder.job, release), pause)

    def _last_pause(self, pause: Pause) -> Pause:
        """For a result that may have been accepted already, in an answer that was lost.

        From then on the heartbeat is refused, as that of any job that has ended. Only the answer to
        the result itself can tell, so it is asked for a few times more.
        """
        left = _MOST_ROUNDS

        def wait(seconds: float) -> None:
            nonlocal left
            try:
                pause(seconds)
            except Dropped as dropped:
                left -= 1
                if dropped.why is Why.STOPPING or left < 0:
                    raise
                time.sleep(min(seconds, _LONGEST_LAST_PAUSE))

        return wait

    def _ask(self, pause: Pause, blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        request = UploadRequest(token=self.token, blobs=blobs)
        try:
            return self._insist(partial(self.client.uploads, self.folder.job, request), pause).urls
        except Refused as refused:
            raise _not_taken(refused) from refused

    def _insist(self, call: Callable[[], T], pause: Pause) -> T:
        """Call until there is an answer. Raises Dropped, Refused, DubfleetError(INTERNAL)."""

        def once() -> T:
            try:
                return call()
            except Refused as refused:
                self.lease.end(refused)
                if refused.reason is RefusalReason.NODE_UNKNOWN:
                    # An operator's affair, who may be at it; the work must not be lost over it.
                    raise SiteAway(str(refused)) from refused
                raise

        try:
            return persist(once, pause, most_odd=_MOST_ODD)
        except NotUnderstood as odd:
            raise DubfleetError(
                Reason.INTERNAL,
                "The main server and the node do not understand each other: look at their logs.",
                detail=str(odd),
            ) from odd


def _not_taken(refused: Refused) -> DubfleetError:
    return DubfleetError(
        Reason.INTERNAL, f"The main server did not take the result: {refused.sentence}"
    )

"""From files here to the server."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import requests

from gpu_node import backoff
from gpu_node.client import SiteAway, Timeouts, away, new_session, not_now, refusal
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.node_api import RefusalReason
from gpu_node.transfers.basics import MOST_REFUSED, PIECE_BYTES, Expired, Share, Wait, nobody

_TIMEOUTS = Timeouts(read=60.0)
"""The server writes a file to its disk for good before it answers."""


class Sending:
    """Files on their way to the server, each until it is kept there.

    `ask` gives a signed URL for each digest that the server lacks.
    """

    def __init__(
        self,
        files: Mapping[Blob, Path],
        ask: Callable[[tuple[Blob, ...]], Mapping[str, str]],
    ) -> None:
        self._files = {blob.digest: (blob, path) for blob, path in files.items()}
        self._blobs = tuple(files)
        self._ask = ask
        self._session = new_session()
        self._vain: Counter[str] = Counter()
        """How often a file was answered, and yet is not there."""

    def run(self, wait: Wait, share: Share) -> None:
        """Send what is missing. Raises DubfleetError(INTERNAL) when the server never keeps it."""
        attempt = 0
        total = sum(blob.size for blob in self._blobs) or 1
        while lacking := self._lacking():
            done = total - sum(self._files[digest][0].size for digest in lacking)
            try:
                for digest, url in lacking.items():
                    self._send(digest, url, wait, partial(_tell_sent, share, total, done))
                    done += self._files[digest][0].size
                    attempt = 0
            except (SiteAway, Expired) as trouble:
                asked = trouble.asked if isinstance(trouble, SiteAway) else None
                wait(backoff.delay(attempt, random.random(), asked))  # noqa: S311  # dice, no secret
                attempt += 1
        share(1.0)

    def _lacking(self) -> Mapping[str, str]:
        urls = self._ask(self._blobs)
        return {digest: url for digest, url in urls.items() if digest in self._files}

    def _send(self, digest: str, url: str, wait: Wait, sent: Callable[[int], None]) -> None:
        if self._vain[digest] >= MOST_REFUSED:
            raise DubfleetError(
                Reason.INTERNAL, "The main server does not keep a result that was sent to it."
            )
        blob, path = self._files[digest]
        with contextlib.closing(_Body(path, blob.size, wait, sent)) as body:
            answer = self._put(url, body)
        later = not_now(answer, "an upload")
        if later is not None:
            raise later
        self._vain[digest] += 1
        self._judge(answer)

    def _put(self, url: str, body: _Body) -> requests.Response:
        try:
            return self._session.put(
                url,
                # An empty stream would be sent in chunks, without a length.
                data=body if len(body) else b"",
                headers={"Content-Type": "application/octet-stream"},
                timeout=_TIMEOUTS.pair,
                allow_redirects=False,
                auth=nobody,
            )
        except requests.RequestException as error:
            raise away(error) from None

    def _judge(self, answer: requests.Response) -> None:
        if 200 <= answer.status_code < 300:
            return
        if answer.status_code == requests.codes.forbidden:
            raise Expired
        said = refusal(answer)
        if said is None or said.reason is RefusalReason.BLOB_DIFFERS:
            # Damaged on its way, or somebody else answered.
            raise SiteAway(f"The main server did not take a file: {answer.status_code}.")
        raise DubfleetError(
            Reason.INTERNAL, f"The main server did not take a result: {said.sentence}"
        )


def _tell_sent(share: Share, total: int, before: int, sent: int) -> None:
    share((before + sent) / total)


class _Body:
    """A file as the body of a request, read piece by piece. `sent` is told how many bytes went."""

    def __init__(self, path: Path, size: int, wait: Wait, sent: Callable[[int], None]) -> None:
        self._file = path.open("rb")
        self._size = size
        self._read = 0
        self._wait = wait
        self._tell = sent

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE_BYTES):
            yield piece

    def read(self, size: int = -1) -> bytes:
        self._wait(0)
        piece = self._file.read(size)
        self._read += len(piece)
        self._tell(self._read)
        return piece

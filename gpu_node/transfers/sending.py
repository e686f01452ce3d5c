"""From files here to the server."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from gpu_node import backoff
from gpu_node.client import SiteAway
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers.basics import MOST_REFUSED, Body, Expired, NotKept, Share, Wait
from gpu_node.transfers.ways import Ways


class Sending:
    """Files on their way to the server, each until it is kept there.

    `ask` gives a link for each digest that the server lacks.
    """

    def __init__(
        self,
        files: Mapping[Blob, Path],
        ask: Callable[[tuple[Blob, ...]], Mapping[str, str]],
        ways: Ways | None = None,
    ) -> None:
        self._files = {blob.digest: (blob, path) for blob, path in files.items()}
        self._blobs = tuple(files)
        self._ask = ask
        self._ways = ways or Ways()
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
        try:
            with contextlib.closing(Body(path, blob.size, wait, sent)) as body:
                self._ways.of(url).send(url, blob, body)
        except (NotKept, Expired):
            self._vain[digest] += 1
            raise
        self._vain[digest] += 1


def _tell_sent(share: Share, total: int, before: int, sent: int) -> None:
    share((before + sent) / total)

"""From the server to a file here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gpu_node import backoff
from gpu_node.artefacts import digest_file, is_disk_full
from gpu_node.client import NotUnderstood, SiteAway
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full
from gpu_node.transfers.basics import (
    MOST_REFUSED,
    Coming,
    Damaged,
    Expired,
    Missing,
    Share,
    Wait,
)
from gpu_node.transfers.ways import Ways

_MOST_ODD = 20


class Fetching:
    """One blob on its way to a file here; what has come already is kept, also from an earlier try.

    `link` gives the blob's URL if there is one. `renew` is called when that has expired, and says
    whether there is a new one.
    """

    def __init__(
        self,
        blob: Blob,
        target: Path,
        link: Callable[[], str | None],
        renew: Callable[[], bool],
        ways: Ways | None = None,
    ) -> None:
        self._blob = blob
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._link = link
        self._renew = renew
        self._ways = ways or Ways()
        self._troubles: Counter[type[Exception]] = Counter()

    def run(self, wait: Wait, share: Share) -> None:
        """Fetch the blob to its file. Raises DubfleetError: INPUT_LOST, DISK_FULL, INTERNAL."""
        attempt = 0
        while True:
            before = self._there()
            try:
                self._piece(wait, share)
                self._finish()
                return
            except (SiteAway, Expired, Damaged) as trouble:
                if self._there() > before and not isinstance(trouble, Damaged):
                    # Pieces come: only what they add up to may still be wrong every time.
                    self._troubles = Counter({Damaged: self._troubles[Damaged]})
                    attempt = 0
                self._judge(trouble)
                asked = trouble.asked if isinstance(trouble, SiteAway) else None
                wait(backoff.delay(attempt, random.random(), asked))  # noqa: S311  # dice, no secret
                attempt += 1
            except OSError as error:
                if is_disk_full(error):
                    raise disk_full(str(error)) from error
                raise

    def _there(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def _piece(self, wait: Wait, share: Share) -> None:
        """Ask for what is missing, and write down what comes."""
        there = self._there()
        if there > self._blob.size:
            self._part.unlink()
            there = 0
        if there == self._blob.size > 0:
            return
        url = self._link()
        if url is None:
            raise Expired
        with (
            self._ways.of(url).fetch(url, self._blob, there) as coming,
            self._part.open("ab" if coming.offset else "wb") as file,
        ):
            self._write(coming, file, wait, share)

    def _write(self, coming: Coming, file: BinaryIO, wait: Wait, share: Share) -> None:
        size = coming.offset
        for piece in coming.pieces:
            wait(0)
            size += len(piece)
            if size > self._blob.size:
                raise Damaged
            file.write(piece)
            share(size / self._blob.size)
        if size < self._blob.size:
            raise SiteAway("The main server broke off a download.")

    def _finish(self) -> None:
        """Give the file its name if it is what was announced; begin anew if not."""
        if digest_file(self._part) != self._blob.digest:
            raise Damaged
        self._part.replace(self._target)

    def _judge(self, trouble: Exception) -> None:
        """Do what helps against this trouble, or give up when that has not helped often."""
        self._troubles[type(trouble)] += 1
        count = self._troubles[type(trouble)]
        if isinstance(trouble, Expired):
            if count >= MOST_REFUSED:
                if isinstance(trouble, Missing):
                    raise DubfleetError(
                        Reason.INPUT_LOST,
                        "A file of this job is not on the main server any more: upload it again.",
                    )
                raise DubfleetError(
                    Reason.INTERNAL,
                    "The main server refuses to hand out this job's files: look at its log.",
                )
            if not self._renew():
                # It is the site that is away now: that does not count.
                self._troubles[type(trouble)] -= 1
        elif isinstance(trouble, Damaged):
            self._part.unlink(missing_ok=True)
            if count >= MOST_REFUSED:
                raise DubfleetError(
                    Reason.INPUT_LOST,
                    "A file of this job is damaged on the main server: upload it again.",
                )
        elif isinstance(trouble, NotUnderstood) and count >= _MOST_ODD:
            raise trouble

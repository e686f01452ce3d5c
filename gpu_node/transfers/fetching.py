"""From the server to a file here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import requests

from gpu_node import backoff
from gpu_node.artefacts import digest_file, is_disk_full
from gpu_node.client import NotUnderstood, SiteAway, Timeouts, away, new_session, not_now
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full
from gpu_node.transfers.basics import MOST_REFUSED, PIECE_BYTES, Expired, Share, Wait, nobody

_TIMEOUTS = Timeouts(read=15.0)
_MOST_ODD = 20


class _Damaged(Exception):
    """What came is not what was announced."""


class Fetching:
    """One blob on its way to a file here; what has come already is kept, also from an earlier try.

    `link` gives the blob's URL if there is one. `renew` is called when that has expired, and says
    whether there is a new one.
    """

    def __init__(
        self, blob: Blob, target: Path, link: Callable[[], str | None], renew: Callable[[], bool]
    ) -> None:
        self._blob = blob
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._link = link
        self._renew = renew
        self._session = new_session()
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
            except (SiteAway, Expired, _Damaged) as trouble:
                if self._there() > before and not isinstance(trouble, _Damaged):
                    # Pieces come: only what they add up to may still be wrong every time.
                    self._troubles = Counter({_Damaged: self._troubles[_Damaged]})
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
        headers = {"Accept-Encoding": "identity"}
        if there:
            headers["Range"] = f"bytes={there}-"
        try:
            with self._session.get(
                url,
                headers=headers,
                timeout=_TIMEOUTS.pair,
                allow_redirects=False,
                stream=True,
                auth=nobody,
            ) as answer:
                self._require_bytes(answer, there)
                from_start = answer.status_code == requests.codes.ok
                with self._part.open("wb" if from_start else "ab") as file:
                    self._write(answer, file, 0 if from_start else there, wait, share)
        except requests.RequestException as error:
            raise away(error) from None

    def _require_bytes(self, answer: requests.Response, there: int) -> None:
        status = answer.status_code
        if status == requests.codes.ok:
            return
        if status == requests.codes.partial:
            if answer.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                return
            raise NotUnderstood("The main server sent another part of a file than was asked for.")
        if status == requests.codes.forbidden:
            raise Expired
        if status in (requests.codes.not_found, requests.codes.gone):
            raise DubfleetError(
                Reason.INPUT_LOST,
                "A file of this job is not on the main server any more: upload it again.",
            )
        if status == requests.codes.requested_range_not_satisfiable:
            self._part.unlink(missing_ok=True)
            raise _Damaged
        raise not_now(answer, "a download") or NotUnderstood(
            f"The main server answered a download with {status}."
        )

    def _write(
        self, answer: requests.Response, file: BinaryIO, size: int, wait: Wait, share: Share
    ) -> None:
        for piece in answer.iter_content(PIECE_BYTES):
            wait(0)
            size += len(piece)
            if size > self._blob.size:
                raise _Damaged
            file.write(piece)
            share(size / self._blob.size)
        if size < self._blob.size:
            raise SiteAway("The main server broke off a download.")

    def _finish(self) -> None:
        """Give the file its name if it is what was announced; begin anew if not."""
        if digest_file(self._part) != self._blob.digest:
            raise _Damaged
        self._part.replace(self._target)

    def _judge(self, trouble: Exception) -> None:
        """Do what helps against this trouble, or give up when that has not helped often."""
        self._troubles[type(trouble)] += 1
        count = self._troubles[type(trouble)]
        if isinstance(trouble, Expired):
            if count >= MOST_REFUSED:
                raise DubfleetError(
                    Reason.INTERNAL,
                    "The main server refuses to hand out this job's files: look at its log.",
                )
            if not self._renew():
                # It is the site that is away now: that does not count.
                self._troubles[Expired] -= 1
        elif isinstance(trouble, _Damaged):
            self._part.unlink(missing_ok=True)
            if count >= MOST_REFUSED:
                raise DubfleetError(
                    Reason.INPUT_LOST,
                    "A file of this job is damaged on the main server: upload it again.",
                )
        elif isinstance(trouble, NotUnderstood) and count >= _MOST_ODD:
            raise trouble

"""Signed URLs of the main server, or of another company's storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from gpu_node.client import NotUnderstood, Timeouts, away, new_session, not_now, refusal
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.node_api import RefusalReason
from gpu_node.transfers.basics import PIECE_BYTES, Body, Coming, Damaged, Expired, NotKept

_FETCH = Timeouts(read=15.0)
_SEND = Timeouts(read=60.0)
"""The server writes a file to its disk for good before it answers."""


class Https:
    """One session: connections are kept open from file to file."""

    def __init__(self) -> None:
        self._session = new_session()

    @contextmanager
    def fetch(self, url: str, blob: Blob, there: int) -> Iterator[Coming]:  # noqa: ARG002  # the port's
        headers = {"Accept-Encoding": "identity"}
        if there:
            headers["Range"] = f"bytes={there}-"
        try:
            answer = self._session.get(
                url,
                headers=headers,
                timeout=_FETCH.pair,
                allow_redirects=False,
                stream=True,
                auth=_nobody,
            )
        except requests.RequestException as error:
            raise away(error) from None
        with answer:
            _require_bytes(answer, there)
            from_start = answer.status_code == requests.codes.ok
            yield Coming(0 if from_start else there, _pieces(answer))

    def send(self, url: str, blob: Blob, body: Body) -> None:  # noqa: ARG002  # the port's
        try:
            answer = self._session.put(
                url,
                # An empty stream would be sent in chunks, without a length.
                data=body if len(body) else b"",
                headers={"Content-Type": "application/octet-stream"},
                timeout=_SEND.pair,
                allow_redirects=False,
                auth=_nobody,
            )
        except requests.RequestException as error:
            raise away(error) from None
        _judge(answer)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The URL itself is the proof; the node's token, or a .netrc's, is nobody's business there."""
    return request


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(PIECE_BYTES)
    except requests.RequestException as error:
        raise away(error) from None


def _require_bytes(answer: requests.Response, there: int) -> None:
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
        raise Damaged
    raise not_now(answer, "a download") or NotUnderstood(
        f"The main server answered a download with {status}."
    )


def _judge(answer: requests.Response) -> None:
    later = not_now(answer, "an upload")
    if later is not None:
        raise later
    if 200 <= answer.status_code < 300:
        return
    if answer.status_code == requests.codes.forbidden:
        raise Expired
    said = refusal(answer)
    if said is None or said.reason is RefusalReason.BLOB_DIFFERS:
        # Damaged on its way, or somebody else answered.
        raise NotKept(f"The main server did not take a file: {answer.status_code}.")
    raise DubfleetError(Reason.INTERNAL, f"The main server did not take a result: {said.sentence}")

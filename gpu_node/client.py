"""The node API's client: one call, one answer, or one of three ways in which there is none.

Retrying is the caller's decision, because only the caller knows until when an answer is still
wanted: `persist` tries again, and asks it before every wait.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import requests
from pydantic import BaseModel, ValidationError
from requests.auth import AuthBase

from gpu_node import __version__, backoff
from gpu_node.contracts.base import Document
from gpu_node.contracts.node_api import (
    API_ROOT,
    ClaimReply,
    ClaimRequest,
    Completion,
    Failure,
    JobBeat,
    JobOrders,
    NodeBeat,
    NodeOrders,
    Refusal,
    RefusalReason,
    Release,
    UploadReply,
    UploadRequest,
)
from gpu_node.redaction import redact

log = logging.getLogger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_COME_BACK = frozenset({408, 425, 429})
"""Besides 5xx: the answers that mean "not now"."""


class SiteAway(Exception):
    """There was no answer, or one that says "not now". Trying again may help."""

    def __init__(self, why: str, asked: float | None = None) -> None:
        super().__init__(why)
        self.asked = asked
        """Seconds that the server asked us to wait."""


class NotUnderstood(SiteAway):
    """Something answered, but not the node API: a proxy, a login page, another version.

    That may pass (a site that is being upgraded), or never.
    """


class Refused(Exception):
    """The node API said no, and why. Trying the same again will not help."""

    def __init__(self, reason: RefusalReason, sentence: str) -> None:
        super().__init__(f"{reason}: {sentence}")
        self.reason = reason
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a connection to be made, and for the server to say something."""

    connect: float = 5.0
    read: float = 10.0

    @property
    def pair(self) -> tuple[float, float]:
        return self.connect, self.read


_QUICK = Timeouts(connect=2.0, read=3.0)
_THOROUGH = Timeouts(read=60.0)
"""The server looks at every output before it accepts a result, or takes over what came by SFTP."""


class _Bearer(AuthBase):
    """As an auth object, so that no .netrc of the machine takes the header's place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class NodeClient:
    """Speaks for one node. Threads may share it: each gets a connection of its own."""

    def __init__(self, site: str, token: str) -> None:
        self._root = site.rstrip("/") + API_ROOT
        self._auth = _Bearer(token)
        self._sessions = threading.local()

    def beat(self, beat: NodeBeat, *, quick: bool = False) -> NodeOrders:
        return self._ask("/heartbeat", beat, NodeOrders, _QUICK if quick else Timeouts())

    def claim(self, request: ClaimRequest) -> ClaimReply:
        return self._ask("/claim", request, ClaimReply)

    def job_beat(self, job: str, beat: JobBeat) -> JobOrders:
        return self._ask(_job(job, "heartbeat"), beat, JobOrders)

    def uploads(self, job: str, request: UploadRequest) -> UploadReply:
        return self._ask(_job(job, "uploads"), request, UploadReply, _THOROUGH)

    def complete(self, job: str, completion: Completion) -> None:
        self._tell(_job(job, "complete"), completion, _THOROUGH)

    def fail(self, job: str, failure: Failure) -> None:
        self._tell(_job(job, "fail"), failure)

    def release(self, job: str, release: Release) -> None:
        self._tell(_job(job, "release"), release, _QUICK)

    def _ask(
        self, path: str, body: Document, reply: type[M], timeouts: Timeouts | None = None
    ) -> M:
        answer = self._post(path, body, timeouts or Timeouts())
        try:
            return reply.model_validate_json(answer.content)
        except ValidationError:
            raise NotUnderstood(f"The answer to {path} is not what was agreed on.") from None

    def _tell(self, path: str, body: Document, timeouts: Timeouts | None = None) -> None:
        self._post(path, body, timeouts or Timeouts())

    def _post(self, path: str, body: Document, timeouts: Timeouts) -> requests.Response:
        """The answer if it is one of 2xx. Raises SiteAway, NotUnderstood, Refused."""
        try:
            answer = self._session.post(
                self._root + path,
                data=body.model_dump_json().encode(),
                headers={"Content-Type": "application/json"},
                auth=self._auth,
                timeout=timeouts.pair,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise away(error) from None
        if not 200 <= answer.status_code < 300:
            raise _trouble(answer, path)
        return answer

    @property
    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "one", None)
        if session is None:
            session = self._sessions.one = new_session()
        return session


def new_session() -> requests.Session:
    """A session that says who we are."""
    session = requests.Session()
    session.headers["User-Agent"] = f"dubfleet-node/{__version__}"
    return session


def persist(
    call: Callable[[], T], wait: Callable[[float], None], *, most_odd: int | None = None
) -> T:
    """Call until there is an answer.

    `wait(seconds)` waits, and raises when an answer is no longer wanted. After `most_odd` answers
    in a row that were not understood, NotUnderstood is raised. Refused passes at once.
    """
    attempt = odd = 0
    while True:
        try:
            return call()
        except SiteAway as trouble:
            odd = odd + 1 if isinstance(trouble, NotUnderstood) else 0
            if most_odd is not None and odd >= most_odd:
                raise
            if attempt == 0:
                log.warning("%s Trying again.", trouble)
            wait(backoff.delay(attempt, random.random(), trouble.asked))  # noqa: S311  # dice, no secret
            attempt += 1


def away(error: requests.RequestException) -> SiteAway:
    """What went wrong below HTTP, without the URL that the libraries quote."""
    if isinstance(error, ValueError):
        return NotUnderstood("The address of the main server, or of a file there, is no URL.")
    return SiteAway(f"The main server cannot be reached: {redact(str(error))[:300]}.")


def not_now(answer: requests.Response, what: str) -> SiteAway | None:
    """The trouble if the server asks to come back later, as a proxy does for one that is down."""
    if answer.status_code < 500 and answer.status_code not in _COME_BACK:
        return None
    asked = backoff.retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
    return SiteAway(f"The main server answered {what} with {answer.status_code}.", asked)


def refusal(answer: requests.Response) -> Refusal | None:
    """What the node API says, if it is the node API that answered."""
    try:
        return Refusal.model_validate_json(answer.content)
    except ValidationError:
        return None


def _trouble(answer: requests.Response, path: str) -> Exception:
    later = not_now(answer, path)
    if later is not None:
        return later
    said = refusal(answer)
    if said is None:
        return NotUnderstood(f"Not the node API answered {path}, with {answer.status_code}.")
    return Refused(said.reason, said.sentence)


def _job(job: str, verb: str) -> str:
    return f"/jobs/{quote(job, safe='')}/{verb}"

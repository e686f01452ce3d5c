"""Waiting until what was started answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from campus.standalone.errors import StandaloneError
from campus.standalone.ports import LOOPBACK

_LOOK_SECONDS = 0.2
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the program of this name answers."""

    name: str
    answers: Callable[[], bool]


def http_answers(port: int, path: str) -> bool:
    """Whether there is a web server that says 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(
    checks: tuple[Check, ...], alive: Callable[[], bool], logs: str, timeout: float
) -> None:
    """Return when all of them answer. Raises StandaloneError naming the one that does not."""
    deadline = time.monotonic() + timeout
    for check in _waiting(checks):
        if not alive():
            raise StandaloneError(f"The supervisor ended; its log is {logs}/supervisord.log.")
        if time.monotonic() > deadline:
            raise StandaloneError(
                f"{check.name} did not answer within {timeout:.0f} s; "
                f"its log is {logs}/{check.name}.log."
            )
        time.sleep(_LOOK_SECONDS)


def _waiting(checks: tuple[Check, ...]) -> Iterator[Check]:
    """The first that does not answer yet, again and again until all have."""
    for check in checks:
        while not check.answers():
            yield check

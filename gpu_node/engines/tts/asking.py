"""One question to the speech service over HTTP, with a clock and a way to stop.

`http.client` and not a library above it: the socket has to be at hand, so that `stop` is looked at
while the answer is waited for. Whoever hangs up has their line dropped by the service.
"""

from __future__ import annotations

import http.client
import json
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gpu_node.contracts.errors import DubfleetError, Reason, stopped

_PORT = 80
_LOOK_SECONDS = 0.1
_CONNECT_SECONDS = 3.0
_READ_SECONDS = 30.0
"""Between two pieces of an answer that has begun."""


class Unanswered(Exception):
    """Nobody is there, or they hung up before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service is."""

    host: str
    port: int
    path: str = ""
    """What stands before the service's own paths, without a slash at its end."""
    token: str = field(default="", repr=False)
    """Sent with every question; none is if it is empty."""

    @classmethod
    def parse(cls, url: str, token: str = "") -> Address:
        """From "http://127.0.0.1:8001". Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("it has to begin with http:// and name a host")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("it has to be a plain address such as http://127.0.0.1:8001")
        return cls(parts.hostname, parts.port or _PORT, parts.path.rstrip("/"), token)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever was answered, failures too."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes


def ask(
    address: Address,
    path: str,
    question: Mapping[str, Any] | None = None,
    *,
    timeout: float,
    stop: threading.Event | None = None,
) -> Answer:
    """GET `path`, or POST the question to it as JSON.

    `timeout`: seconds until the answer begins. Raises Unanswered, and DubfleetError: CANCELLED by
    `stop`, PROGRAM_TIMEOUT.
    """
    deadline = time.monotonic() + timeout
    headers = {"Connection": "close", "Accept": "application/json"}
    if address.token:
        headers["Authorization"] = f"Bearer {address.token}"
    body = None
    if question is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(question).encode()
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_CONNECT_SECONDS)
    try:
        connection.request("GET" if body is None else "POST", address.path + path, body, headers)
        connection.sock.settimeout(_READ_SECONDS)
        _wait(connection, deadline, stop)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"{address}: {error!r}") from error
    finally:
        connection.close()


def _wait(
    connection: http.client.HTTPConnection, deadline: float, stop: threading.Event | None
) -> None:
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    while not poll.poll(_LOOK_SECONDS * 1000):
        look(stop)
        if time.monotonic() > deadline:
            raise DubfleetError(
                Reason.PROGRAM_TIMEOUT, "The speech service took too long over a line."
            )


def look(stop: threading.Event | None) -> None:
    """Raises DubfleetError(CANCELLED) when somebody wants us to stop."""
    if stop is not None and stop.is_set():
        raise stopped()


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Wait, but not when somebody wants us to stop. Raises DubfleetError(CANCELLED)."""
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise stopped()

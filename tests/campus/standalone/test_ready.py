from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from campus.standalone.errors import StandaloneError
from campus.standalone.ports import LOOPBACK
from campus.standalone.ready import Check, http_answers, wait_until_ready


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_site_answers_when_it_says_200(port: int) -> None:
    assert http_answers(port, "/healthz")
    assert not http_answers(port, "/")
    assert not http_answers(1, "/healthz")


def test_everything_is_waited_for() -> None:
    left = {"redis": 2, "web": 1}

    def answers(name: str) -> bool:
        left[name] -= 1
        return left[name] < 0

    checks = tuple(Check(name, lambda name=name: answers(name)) for name in left)  # type: ignore[misc]  # mypy has no type for a lambda with a default
    wait_until_ready(checks, lambda: True, "log", 10)
    assert left == {"redis": -1, "web": -1}


def test_the_one_that_does_not_come_is_named() -> None:
    checks = (Check("redis", lambda: True), Check("web", lambda: False))
    with pytest.raises(StandaloneError) as error:
        wait_until_ready(checks, lambda: True, "/srv/log", 0.2)
    assert str(error.value) == "web did not answer within 0 s; its log is /srv/log/web.log."


def test_nobody_waits_for_what_has_ended() -> None:
    with pytest.raises(StandaloneError, match="The supervisor ended"):
        wait_until_ready((Check("web", lambda: False),), lambda: False, "/srv/log", 60)

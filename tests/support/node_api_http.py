"""The HTTP below `node_api`: real sockets, Range, and faults where they really happen."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.faults import Fault, Faults, Kind


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    ranges: bool = False


Answering = Callable[[str, str, str | None, bytes], Answer]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class HttpServer:
    """Answers on one port of its own, whenever it is open."""

    def __init__(self, answering: Answering, faults: Faults) -> None:
        self.port = 0
        self._answering = answering
        self._faults = faults
        self._server: _Server | None = None
        self._connections: set[socket.socket] = set()

    def open(self) -> None:
        if self._server is not None:
            return
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and cut those there are."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            _cut(connection)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answering, faults, connections = self._answering, self._faults, self._connections

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                connections.add(self.connection)

            def finish(self) -> None:
                connections.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:  # the library's name
                self._serve()

            do_POST = do_PUT = do_GET  # noqa: N815  # the library's names

            def _serve(self) -> None:
                fault = faults.take(f"{self.command} {self.path}")
                if fault is not None and fault.kind is Kind.DROP:
                    _cut(self.connection)
                    return
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if len(body) < length:
                    # Whoever was speaking has died in the middle of it.
                    _cut(self.connection)
                    return
                if fault is not None and fault.kind in (Kind.STATUS, Kind.LIE):
                    self._misbehave(fault)
                    return
                scheme, _, bearer = (self.headers.get("Authorization") or "").partition(" ")
                answer = answering(
                    self.command, self.path, bearer if scheme == "Bearer" else None, body
                )
                if fault is not None and fault.kind is Kind.LOSE:
                    _cut(self.connection)
                    return
                self._send(answer, fault)

            def _misbehave(self, fault: Fault) -> None:
                lie = b"<html>Please log in</html>"
                self.send_response(200 if fault.kind is Kind.LIE else fault.status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(lie)))
                self.end_headers()
                self.wfile.write(lie)

            def _send(self, answer: Answer, fault: Fault | None) -> None:
                status, body = answer.status, answer.body
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
                extra = {}
                if asked and answer.ranges and status == 200:
                    first = int(asked[1])
                    status = 206 if first < len(body) else 416
                    extra["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
                    body = body[first:]
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if fault is not None and fault.kind is Kind.BREAK:
                    self.wfile.write(body[: fault.after_bytes])
                    self.wfile.flush()
                    _cut(self.connection)
                    return
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Tests look at what was asked, not at a log."""

        return Handler


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

"""A small Keystone and Nova on the loopback, for the real openstacksdk to speak to.

It knows application credentials with access rules, servers with their lock, metadata and task, the
list of actions, and the action `shelve`, in the shapes that the two services document. It can be
told to misbehave. What Nova itself does is tested against Nova elsewhere.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SHELVABLE = {"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"}
CREDENTIAL, SECRET = "a" * 32, "the-secret-of-the-credential"


class Misbehaviour(StrEnum):
    """What is done to a request of the given method and path."""

    BREAK = "break"
    """503."""
    LOSE = "lose"
    """Done, and the connection cut before it is said."""
    HANG = "hang"
    """No answer for as long as the test lasts."""


@dataclass
class FakeServer:
    """A server, which a test may change at any time."""

    name: str
    metadata: dict[str, str]
    status: str = "ACTIVE"
    task_state: str | None = None
    locked: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    launched_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    actions: list[dict[str, Any]] = field(default_factory=list)
    shelving_fails: bool = False
    """The request is taken; then the server is as before."""

    def act(self, action: str, at: datetime | None = None) -> None:
        """Write it down; the newest is first."""
        started = (at or datetime.now(UTC)).replace(tzinfo=None)
        self.actions.insert(
            0,
            {
                "action": action,
                "instance_uuid": self.id,
                "request_id": f"req-{uuid.uuid4()}",
                "user_id": "f" * 32,
                "project_id": "e" * 32,
                "start_time": started.isoformat(timespec="microseconds"),
                "message": None,
            },
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "metadata": self.metadata,
            "locked": self.locked,
            "OS-EXT-STS:task_state": self.task_state,
            "OS-EXT-STS:vm_state": "active",
            "OS-SRV-USG:launched_at": self.launched_at.replace(tzinfo=None).isoformat(),
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:00Z",
            "addresses": {},
            "links": [],
        }


@dataclass
class Nova:
    """The cloud. `rules`: what the credential may do, as methods and paths; None: everything."""

    port: int = 0
    servers: dict[str, FakeServer] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Those to Nova, in order."""
    rules: list[tuple[str, str]] | None = None
    misbehaviour: dict[tuple[str, str], Misbehaviour] = field(default_factory=dict)
    """By method, and the end of the path."""
    skew: timedelta = timedelta()
    """Of the clock that answers are dated by."""
    over: threading.Event = field(default_factory=threading.Event)

    def boot(self, name: str, *, awake_for: timedelta = timedelta(), **how: Any) -> FakeServer:
        """A server that was unshelved so long ago."""
        server = FakeServer(name, how.pop("metadata", {"dubfleet": "1"}), **how)
        woken = datetime.now(UTC) - awake_for
        server.launched_at = woken
        server.act("create", woken - timedelta(days=30))
        server.act("unshelve", woken)
        self.servers[server.id] = server
        return server

    def posts(self) -> list[str]:
        return [path for method, path in self.requests if method == "POST"]

    def write_clouds(self, folder: Path) -> Path:
        """A clouds.yaml with the entry `guard`."""
        file = folder / "clouds.yaml"
        file.write_text(
            "clouds:\n  guard:\n    auth_type: v3applicationcredential\n"
            f"    auth:\n      auth_url: http://127.0.0.1:{self.port}/v3\n"
            f"      application_credential_id: {CREDENTIAL}\n"
            f"      application_credential_secret: {SECRET}\n"
            "    region_name: RegionOne\n",
            encoding="utf-8",
        )
        return file

    def allows(self, method: str, path: str) -> bool:
        """As Keystone's middleware matches: one part of a path for each name in braces."""
        if self.rules is None or path.rstrip("/") == "/v2.1":
            return True  # the list of versions asks for no token
        return any(
            method == rule_method
            and re.fullmatch(re.sub(r"\{[^}]*\}|\*", "[^/]+", rule_path), path)
            for rule_method, rule_path in self.rules
        )


Answer = tuple[int, dict[str, Any] | None, dict[str, str]]


def _keystone(nova: Nova, method: str, path: str, body: dict[str, Any]) -> Answer:
    root = f"http://127.0.0.1:{nova.port}"
    if method == "GET":
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": path}]}
        version["links"] = [{"rel": "self", "href": f"{root}/v3/"}]
        return 200, {"version": version}, {}
    credential = body["auth"]["identity"]["application_credential"]
    if (credential["id"], credential["secret"]) != (CREDENTIAL, SECRET):
        return 401, {"error": {"code": 401, "message": "no", "title": "Unauthorized"}}, {}
    now = datetime.now(UTC)
    endpoint = {
        "id": "1" * 32,
        "interface": "public",
        "region": "RegionOne",
        "region_id": "RegionOne",
        "url": f"{root}/v2.1",
    }
    token = {
        "methods": ["application_credential"],
        "user": {"id": "f" * 32, "name": "fleet", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "e" * 32, "name": "p", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "2" * 32, "name": "member"}],
        "issued_at": now.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "expires_at": (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "catalog": [
            {"id": "3" * 32, "type": "compute", "name": "nova", "endpoints": [endpoint]},
        ],
    }
    return 201, {"token": token}, {"X-Subject-Token": "t" * 32}


def _compute(nova: Nova, method: str, path: str, body: dict[str, Any]) -> Answer:
    if path.rstrip("/") == "/v2.1":
        href = f"http://127.0.0.1:{nova.port}/v2.1/"
        version = {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}
        return 200, {"version": {**version, "links": [{"rel": "self", "href": href}]}}, {}
    if path == "/v2.1/servers/detail":
        return 200, {"servers": [one.as_json() for one in nova.servers.values()]}, {}
    _, _, _, server_id, *rest = path.split("/")
    server = nova.servers.get(server_id)
    if server is None:
        return 404, {"itemNotFound": {"code": 404, "message": "Instance could not be found."}}, {}
    match method, rest:
        case "GET", []:
            return 200, {"server": server.as_json()}, {}
        case "GET", ["os-instance-actions"]:
            return 200, {"instanceActions": server.actions}, {}
        case "POST", ["metadata"]:
            server.metadata.update(body["metadata"])
            return 200, {"metadata": server.metadata}, {}
        case "POST", ["action"] if body == {"shelve": None}:
            return _shelve(server)
    return 400, {"badRequest": {"code": 400, "message": "There is no such action."}}, {}


def _shelve(server: FakeServer) -> Answer:
    if server.locked or server.task_state or server.status not in _SHELVABLE:
        return 409, {"conflictingRequest": {"code": 409, "message": "Cannot 'shelve'."}}, {}
    server.act("shelve")
    if not server.shelving_fails:
        server.status = "SHELVED_OFFLOADED"
    return 202, None, {"x-openstack-request-id": server.actions[0]["request_id"]}


def _handler(nova: Nova) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:  # the library's name
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            path = self.path.partition("?")[0]
            wrong = self._wrong(path)
            if wrong is Misbehaviour.HANG:
                nova.over.wait()
                return
            if wrong is Misbehaviour.BREAK:
                answer: Answer = (503, {"message": "busy"}, {})
            else:
                answer = self._answer(path, body)
            if wrong is Misbehaviour.LOSE:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(*answer)

        do_POST = do_GET  # noqa: N815  # the library's name

        def _wrong(self, path: str) -> Misbehaviour | None:
            return next(
                (
                    wrong
                    for (method, end), wrong in nova.misbehaviour.items()
                    if method == self.command and path.endswith(end)
                ),
                None,
            )

        def _answer(self, path: str, body: dict[str, Any]) -> Answer:
            if path.startswith("/v3"):
                return _keystone(nova, self.command, path, body)
            nova.requests.append((self.command, path))
            if not nova.allows(self.command, path):
                return 401, {"error": {"code": 401, "message": "no", "title": "Unauthorized"}}, {}
            return _compute(nova, self.command, path, body)

        def _send(self, status: int, body: dict[str, Any] | None, headers: dict[str, str]) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) + nova.skew, usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Tests look at `requests`."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    """Connections that nobody has taken yet; the library's five are fewer than come at once."""


@contextmanager
def nova_cloud() -> Iterator[Nova]:
    """A cloud without servers, on a free port."""
    nova = Nova()
    server = _Server(("127.0.0.1", 0), _handler(nova))
    nova.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield nova
    finally:
        nova.over.set()
        server.shutdown()
        server.server_close()

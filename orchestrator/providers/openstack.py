"""An OpenStack, through its SDK: the fleet's servers are Nova's.

Reading is repeated within the time a call may take; a request that changes something is sent once.
When its answer is lost, that is TRANSIENT, and the server's list of actions tells whether it came.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from openstack.exceptions import raise_from_response

from orchestrator.providers import openstack_servers as nova
from orchestrator.providers.openstack_errors import cloud_error
from orchestrator.providers.openstack_link import Link, configured, open_link
from orchestrator.providers.port import (
    ActionFacts,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)

T = TypeVar("T")

PAUSES = (0.3, 1.0)
"""Seconds before reading a second and a third time. The next tick reads anew in any case."""

ACTIONS_READ = 100
"""Of a server's actions, the newest: no node is woken and shelved so often between two ticks."""

_REQUEST_ID = "x-openstack-request-id"

_STALE = frozenset({CloudErrorKind.AUTH, CloudErrorKind.FATAL})
"""After these a new connection reads clouds.yaml anew: the credential may have been replaced."""


class OpenStackProvider:
    """The fleet in the cloud that clouds.yaml calls `cloud`. `seconds`: what one call may take."""

    def __init__(self, cloud: str, choice: nova.FleetChoice, seconds: float) -> None:
        self._cloud = cloud
        self._choice = choice
        self._seconds = seconds
        self._mine = threading.local()

    def list(self) -> Sequence[ServerFacts]:
        """Every server of the fleet. Nova lists the whole project: the choice is made here."""
        return [one for one in self._project() if self._choice.holds(one)]

    def get(self, server_id: str) -> ServerFacts:
        """One server."""
        return self._read(lambda link: nova.server_facts(link.compute.get_server(server_id)))

    def unshelve(self, server_id: str) -> str:
        """Ask for the server to be woken."""
        return self._send(server_id, "unshelve")

    def shelve(self, server_id: str) -> str:
        """Ask for the server to be put to sleep."""
        return self._send(server_id, "shelve")

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        """What was asked of the server, newest first; how it ended only as far as the list says."""

        def ask(link: Link) -> Sequence[ActionFacts]:
            pages = nova.microversion(link.version) >= nova.PAGES_SINCE
            answer = link.compute.get(
                f"/servers/{server_id}/os-instance-actions",
                params={"limit": ACTIONS_READ} if pages else {},
            )
            raise_from_response(answer)
            records = nova.ActionList.model_validate_json(answer.content).instanceActions
            return nova.actions_facts(records)

        return self._read(ask)

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        """How one request stands, and why it failed, by the events that Nova kept of it."""

        def ask(link: Link) -> ActionFacts | None:
            answer = link.compute.get(f"/servers/{server_id}/os-instance-actions/{request_id}")
            raise_from_response(answer)
            record = nova.OneAction.model_validate_json(answer.content).instanceAction
            return nova.action_facts(record)

        facts = self._read(ask)
        if facts is None:
            raise CloudError(
                CloudErrorKind.GONE, "The request was neither a waking nor a shelving.", request_id
            )
        return facts

    def mark(self, server_id: str, metadata: Mapping[str, str]) -> None:
        """Write these on the server; what else stands there stays. CONFLICT: not in this state.

        Nova takes none while a server is offloaded or busy with a task.
        """

        def write(link: Link) -> None:
            answer = link.compute.post(
                f"/servers/{server_id}/metadata", json={"metadata": dict(metadata)}
            )
            raise_from_response(answer)

        self._read(write)

    def check(self) -> Sequence[Complaint]:
        """What is wrong with the configuration: the first thing that stops us, or all the rest."""
        try:
            version, roles = self._read(lambda link: (link.version, link.roles()))
            servers = self.list()
        except CloudError as error:
            return [Complaint(f"FLEET_CLOUD {self._cloud}: {error.sentence} {error.detail}")]
        return [
            *self._of_account(version, roles),
            *self._of_actions(servers[:1]),
            *nova.complaints(self._choice, servers),
        ]

    def left_behind(self) -> Sequence[nova.ImageRecord]:
        """Saved disks of servers that are awake: what failed to be removed, and is paid for.

        Reports only. See `openstack_servers.left_behind` for why to look twice.
        """

        def ask(link: Link) -> nova.ImageList:
            # Nova hands this on to the images' own service, and stopped to at 2.36.
            answer = link.compute.get("/images", microversion="2.1")
            raise_from_response(answer)
            return nova.ImageList.model_validate_json(answer.content)

        servers = self.list()
        return nova.left_behind(servers, self._read(ask).images)

    def _project(self) -> Sequence[ServerFacts]:
        """All of them, or none: a list with gaps would make servers look deleted."""
        return self._read(
            lambda link: [nova.server_facts(one) for one in link.compute.servers(details=True)]
        )

    def _of_actions(self, servers: Iterable[ServerFacts]) -> Iterator[Complaint]:
        """Whether a request whose answer is lost could be found again. One server tells for all."""
        for server in servers:
            try:
                self.actions(server.server_id)
            except CloudError as error:
                if error.kind is CloudErrorKind.AUTH:
                    yield Complaint(
                        f"FLEET_CLOUD {self._cloud}: the credential may not read what was asked of"
                        " servers (GET /servers/{id}/os-instance-actions): allow it that."
                    )

    def _of_account(self, version: str, roles: frozenset[str]) -> Iterator[Complaint]:
        if roles == {"reader"}:
            yield Complaint(
                f"FLEET_CLOUD {self._cloud}: the credential is only a reader: it may look at"
                " servers, and neither wake nor shelve them."
            )
        if nova.microversion(version) < nova.EVENTS_SINCE:
            yield Complaint(
                f"FLEET_CLOUD {self._cloud}: the cloud is spoken to in microversion {version}, and"
                " tells from 2.51 on why a waking failed: a full cloud and a failed boot look"
                " alike.",
                blocking=False,
            )

    def _read(self, ask: Callable[[Link], T]) -> T:
        """Ask, and when that fails for a reason that may pass ask again, while there is time."""
        until = time.monotonic() + self._seconds
        for pause in (*PAUSES, None):
            try:
                with self._call(until - time.monotonic()) as link:
                    return ask(link)
            except CloudError as error:
                transient = error.kind is CloudErrorKind.TRANSIENT
                if pause is None or not transient or time.monotonic() + pause >= until:
                    raise
                time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _send(self, server_id: str, action: str) -> str:
        """Ask for a change, once: whatever follows, nobody but the caller asks a second time."""
        until = time.monotonic() + self._seconds
        # To log in and to look at versions is reading: it is got out of the way first.
        self._read(lambda link: link.log_in())
        with self._call(until - time.monotonic()) as link:
            answer = link.compute.post(
                f"/servers/{server_id}/action",
                json={action: None},
                # clouds.yaml may ask for retries, and they would not look at the method.
                connect_retries=0,
                status_code_retries=0,
                redirect=False,
            )
            raise_from_response(answer)
            request_id = answer.headers.get(_REQUEST_ID)
            if answer.status_code != 202 or not request_id:
                raise ValueError(
                    f"HTTP {answer.status_code} to a request for {action}, {request_id}"
                )
            return request_id

    @contextmanager
    def _call(self, seconds: float) -> Iterator[Link]:
        """This thread's connection, for so long. Everything that goes wrong is a CloudError."""
        secrets: tuple[str, ...] = ()
        try:
            until = time.monotonic() + seconds
            link = self._kept()
            if link is None:
                region, secrets = configured(self._cloud)
                link = open_link(region, secrets, seconds)
                self._mine.link, self._mine.process = link, os.getpid()
            secrets = link.secrets
            with link.http.within(until - time.monotonic()):
                yield link
        except Exception as error:
            plain = cloud_error(error, secrets)
            if plain.kind in _STALE:
                self._mine.__dict__.clear()
            raise plain from None

    def _kept(self) -> Link | None:
        """What this thread has opened. A forked child leaves its parent's alone."""
        if getattr(self._mine, "process", None) != os.getpid():
            self._mine.__dict__.clear()
            return None
        link: Link | None = self._mine.link
        return link

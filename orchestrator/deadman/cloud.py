"""The few things that the switch asks of the cloud, by a client of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import SDKException, raise_from_response
from openstack.utils import maximum_supported_microversion

from orchestrator.deadman.facts import ASLEEP, ServerFacts, Wake
from orchestrator.deadman.tags import Tag, is_held, node_of
from orchestrator.deadman.uptime import Action, last_wake

log = logging.getLogger(__name__)

_TIMEOUT = 15
"""Seconds for each call. Without it the SDK waits for ever."""
_LISTS_SECONDS = 60.0
"""For all lists of actions together; of whom it does not come by then, it is not known when it
woke. What else a look needs has to fit in before the alarm as well."""
_AT_ONCE = 8
_PAGES_SINCE = "2.58"
"""The microversion from which a list of actions may be asked for in part."""
_ACTIONS = 200
"""The newest of them; a server is hardly touched so often in one waking."""


class CloudAway(Exception):
    """The cloud could not be asked, or refused. Its text names the kind of trouble only."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """Raises CloudAway from every method."""

    connection: Connection
    tag: Tag

    def servers(self) -> Sequence[ServerFacts]:
        """Every server that has the tag."""
        with _trouble_said():
            found = list(self.connection.compute.servers(details=True))
        ours = [one for one in found if self.tag.is_on(one.metadata or {})]
        wakes = self._wakes([one for one in ours if _awake(one)])
        return [_facts(one, wakes.get(one.id)) for one in ours]

    def server(self, server_id: str) -> ServerFacts | None:
        """One of them as it is now; None when it has lost the tag."""
        with _trouble_said():
            found = self.connection.compute.get_server(server_id)
        if not self.tag.is_on(found.metadata or {}):
            return None
        return _facts(found, self._wake(found) if _awake(found) else None)

    def shelve(self, server_id: str) -> str:
        """Ask for it, once, whatever comes of it. Returns the request's id."""
        with _trouble_said():
            answer = self.connection.compute.post(
                f"/servers/{server_id}/action", json={"shelve": None}
            )
            raise_from_response(answer)
        return answer.headers.get("x-openstack-request-id", "")

    def _wakes(self, servers: Sequence[Server]) -> Mapping[str, Wake | None]:
        """By server, as far as they come in time: a few that hang must not cost us the look."""
        pool = ThreadPoolExecutor(_AT_ONCE, "actions")
        try:
            asked = {pool.submit(self._wake, one): one.id for one in servers}
            done, late = wait(asked, timeout=_LISTS_SECONDS)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if late:
            log.warning("%d lists of actions did not come in time", len(late))
        return {asked[one]: one.result() for one in done}

    def _wake(self, server: Server) -> Wake | None:
        """None where the cloud does not say: others are still looked after."""
        try:
            with _trouble_said():
                actions, answered_at = self._actions(server.id)
            launched_at = _moment(server.launched_at) if server.launched_at else None
        except (CloudAway, KeyError, TypeError, ValueError) as error:
            log.warning("the actions of %s cannot be read: %s", server.name, error)
            return None
        return last_wake(actions, launched_at, answered_at, datetime.now(UTC))

    def _actions(self, server_id: str) -> tuple[Sequence[Action], datetime | None]:
        compute = self.connection.compute
        version = maximum_supported_microversion(compute, _PAGES_SINCE)
        answer = compute.get(
            f"/servers/{server_id}/os-instance-actions",
            params={"limit": _ACTIONS} if version == _PAGES_SINCE else {},
            microversion=version,
        )
        raise_from_response(answer)
        actions = [_action(one) for one in answer.json()["instanceActions"]]
        return actions, _http_date(answer.headers.get("Date"))


def open_cloud(name: str, tag: Tag) -> Cloud:
    """The entry of clouds.yaml. Raises CloudAway."""
    with _trouble_said():
        return Cloud(
            openstack.connect(cloud=name, app_name="dubfleet-deadman", api_timeout=_TIMEOUT), tag
        )


def _awake(server: Server) -> bool:
    return server.status not in ASLEEP


def _facts(server: Server, wake: Wake | None) -> ServerFacts:
    metadata = server.metadata or {}
    return ServerFacts(
        server_id=server.id,
        name=server.name,
        node=node_of(metadata, server.name),
        status=server.status,
        task_state=server.task_state,
        locked=server.is_locked,
        held=is_held(metadata),
        wake=wake,
    )


@contextmanager
def _trouble_said() -> Iterator[None]:
    try:
        yield
    except (SDKException, ClientException, OSError) as error:
        status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
        raise CloudAway(f"{type(error).__name__} {status or ''}".strip()) from error


def _action(written: dict[str, Any]) -> Action:
    return Action(written["action"], written["request_id"], _moment(written["start_time"]))


def _moment(written: str) -> datetime:
    """Nova writes UTC, mostly without saying so. Raises ValueError."""
    moment = datetime.fromisoformat(written)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _http_date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except ValueError:
        return None

"""Servers and their actions as Nova describes them, turned into the port's facts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from openstack.compute.v2.server import Server
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress

from orchestrator.providers.port import (
    ActionFacts,
    ActionFailure,
    ActionResult,
    Complaint,
    ServerFacts,
)
from orchestrator.states import CloudStatus, OperationKind

EVENTS_SINCE = (2, 51)
"""The microversion from which an action's events are shown to a server's owner."""

PAGES_SINCE = (2, 58)
"""The microversion from which the list of actions may be asked for in part."""

_ENDS_WELL = {
    # The second: a server that was shelved and not yet offloaded is merely started.
    OperationKind.UNSHELVE: frozenset({"compute_unshelve_instance", "compute_start_instance"}),
    # The second: a server that boots from a volume has no disk to be saved first.
    OperationKind.SHELVE: frozenset({"compute_shelve_instance", "compute_shelve_offload_instance"}),
}
"""The event that an action has carried out its work with, once it succeeded."""

_FAILS_FOR = {
    "schedule_instances": ActionFailure.CAPACITY,
    "get_image_info": ActionFailure.IMAGE,
    "compute_unshelve_instance": ActionFailure.BOOT,
    "compute_start_instance": ActionFailure.BOOT,
    "compute_shelve_instance": ActionFailure.SHELVE,
    "compute_shelve_offload_instance": ActionFailure.SHELVE,
}

_ERROR = "Error"
_SUCCESS = "Success"


def _utc(moment: datetime) -> datetime:
    """Nova writes UTC, mostly without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class EventRecord(_Answer):
    """A step of an action. `result` is None while it is being taken."""

    event: str
    start_time: Moment | None = None
    finish_time: Moment | None = None
    result: str | None = None


class ActionRecord(_Answer):
    """An action as Nova writes it. `events` is None where it does not list them."""

    action: str
    request_id: str
    start_time: Moment
    message: str | None = None
    events: tuple[EventRecord, ...] | None = None


class ActionList(_Answer):
    """The answer to GET …/os-instance-actions."""

    instanceActions: tuple[ActionRecord, ...]  # noqa: N815  Nova's name


class OneAction(_Answer):
    """The answer to GET …/os-instance-actions/{request id}."""

    instanceAction: ActionRecord  # noqa: N815  Nova's name


class ImageRecord(_Answer):
    """A saved disk."""

    id: str
    name: str = ""


class ImageList(_Answer):
    """The answer to GET /images, which Nova hands on from the cloud's store of images."""

    images: tuple[ImageRecord, ...]


class _Fault(_Answer):
    message: str = ""


class _Address(_Answer):
    addr: IPvAnyAddress
    version: int = 4
    kind: str = Field(default="fixed", alias="OS-EXT-IPS:type")


class _Times(_Answer):
    created: Moment | None = None
    launched: Moment | None = None


@dataclass(frozen=True, slots=True)
class FleetChoice:
    """Which of a project's servers are the fleet's: those named, and those with the tag."""

    names: tuple[str, ...]
    tag: str = ""
    """key=value, as FLEET_SERVER_TAG; empty: none."""

    def holds(self, server: ServerFacts) -> bool:
        """Whether the server is the fleet's."""
        if server.name in self.names:
            return True
        key, equals, value = self.tag.partition("=")
        return bool(equals) and server.metadata.get(key.strip()) == value.strip()


def server_facts(server: Server) -> ServerFacts:
    """The port's facts of a server. Raises ValueError for times that are none.

    And for one without a name: from 2.69 on, a server whose cell does not answer is listed with
    hardly more than its id, and would look like another than it is.
    """
    if server.name is None:
        raise ValueError(f"the cloud cannot describe the server {server.id} at the moment")
    times = _Times(created=server.created_at, launched=server.launched_at)
    fault = _Fault.model_validate(server.fault) if server.fault else _Fault()
    return ServerFacts(
        server_id=str(server.id),
        name=str(server.name),
        status=_status(server.status),
        task_state=server.task_state or None,
        locked=bool(server.is_locked),
        metadata=dict(server.metadata or {}),
        fault=fault.message,
        created_at=times.created,
        launched_at=times.launched,
        address=_address(server),
    )


def _address(server: Server) -> str:
    """Where it is reached from outside: a floating address before a fixed one, IPv4 before IPv6.

    Nova lists them as {network: [{addr, version, OS-EXT-IPS:type}]}.
    """
    networks = (server.addresses or {}).values()
    listed = [_Address.model_validate(one) for network in networks for one in network]
    listed.sort(key=lambda one: (one.kind != "floating", one.version))
    found = [server.access_ipv4, *(str(one.addr) for one in listed), server.access_ipv6]
    return next((address for address in found if address), "")


def action_facts(record: ActionRecord) -> ActionFacts | None:
    """The port's facts of an action; None for one that is neither a waking nor a shelving."""
    try:
        kind = OperationKind(record.action)
    except ValueError:
        return None
    result, failure, finished = _ended(kind, record)
    return ActionFacts(
        request_id=record.request_id,
        kind=kind,
        started_at=record.start_time,
        result=result,
        message=record.message or "",
        failure=failure,
        finished_at=finished,
    )


def actions_facts(records: Iterable[ActionRecord]) -> tuple[ActionFacts, ...]:
    """The wakings and shelvings, newest first."""
    found = [facts for record in records if (facts := action_facts(record)) is not None]
    return tuple(sorted(found, key=lambda one: one.started_at, reverse=True))


def complaints(choice: FleetChoice, servers: Sequence[ServerFacts]) -> tuple[Complaint, ...]:
    """What is wrong with the servers that the settings choose."""
    named = Counter(server.name for server in servers)
    found = [
        Complaint(
            f"FLEET_SERVERS names {name}, and the cloud shows this account no such server.", name
        )
        for name in choice.names
        if not named[name]
    ]
    if choice.tag and not servers:
        found.append(
            Complaint(f"No server has the metadata {choice.tag} that FLEET_SERVER_TAG names.")
        )
    found += [
        Complaint(
            f"{count} servers are called {name}: a fleet's servers have different names.", name
        )
        for name, count in named.items()
        if count > 1
    ]
    return (*found, *(one for server in servers for one in _of_server(server)))


def left_behind(
    servers: Iterable[ServerFacts], images: Iterable[ImageRecord]
) -> tuple[ImageRecord, ...]:
    """Saved disks of servers that do not need them: each costs money and is used by nothing.

    Nova calls the disk of a shelved server `<name>-shelved` and removes it after the waking, which
    may fail. One look is not enough: a server may be shelved between the two lists.
    """
    awake = {
        f"{server.name}-shelved"
        for server in servers
        if server.status is CloudStatus.ACTIVE and server.task_state is None
    }
    return tuple(image for image in images if image.name in awake)


def microversion(text: str) -> tuple[int, int]:
    """`2.51` as numbers. Raises ValueError."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _of_server(server: ServerFacts) -> list[Complaint]:
    name = server.name
    if server.locked:
        return [
            Complaint(f"{name} is locked at the cloud: it is left alone.", name, blocking=False)
        ]
    if server.status is CloudStatus.ERROR:
        return [Complaint(f"{name} is in error at the cloud, which has to mend it.", name)]
    return []


def _status(said: object) -> CloudStatus:
    """A status that we have not heard of is UNKNOWN to us as it would be to Nova."""
    try:
        return CloudStatus(str(said))
    except ValueError:
        return CloudStatus.UNKNOWN


def _ended(
    kind: OperationKind, record: ActionRecord
) -> tuple[ActionResult | None, ActionFailure | None, datetime | None]:
    events = record.events or ()
    failed = [event for event in events if event.result == _ERROR]
    if failed:
        first = min(failed, key=_finish)
        failure = _FAILS_FOR.get(first.event, ActionFailure.UNKNOWN)
        return ActionResult.FAILED, failure, max(failed, key=_finish).finish_time
    if record.message == _ERROR:
        # Without events, from a cloud that is too old to show them, no more is known than that.
        return ActionResult.FAILED, ActionFailure.UNKNOWN, None
    for event in events:
        if event.event in _ENDS_WELL[kind] and event.result == _SUCCESS:
            return ActionResult.OK, None, event.finish_time
    return None, None, None


def _finish(event: EventRecord) -> datetime:
    return event.finish_time or datetime.max.replace(tzinfo=UTC)

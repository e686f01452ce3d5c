"""The three things that the guard asks of the cloud, each one an access rule of its credential."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import openstack
import requests
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException, raise_from_response

from gpu_node.contracts.pulse import HOLD_METADATA
from gpu_node.guard.verdict import OwnServer

_TIMEOUT = 15
"""Seconds for each call. Without it the SDK waits for ever."""
_METADATA_TIMEOUT = 5.0
_LOCK_SHOWN_SINCE = "2.9"


class CloudAway(Exception):
    """The cloud could not be asked, or refused. Its text names the kind of trouble only."""


def own_server_id(metadata_url: str) -> str:
    """This machine's server, as the cloud's metadata service says. Raises CloudAway."""
    with _trouble_said():
        answer = requests.get(metadata_url, timeout=_METADATA_TIMEOUT, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    if not isinstance(found, dict) or not isinstance(found.get("uuid"), str):
        raise CloudAway("the metadata service names no server")
    return str(found["uuid"])


@dataclass(frozen=True, slots=True)
class Cloud:
    """This node's server at the cloud. Raises CloudAway from every method."""

    connection: Connection
    server_id: str

    def server(self) -> OwnServer:
        """As it is now."""
        with _trouble_said():
            answer = self.connection.compute.get(
                f"/servers/{self.server_id}", microversion=_LOCK_SHOWN_SINCE
            )
            raise_from_response(answer)
            found = answer.json()["server"]
        return OwnServer(
            status=found["status"],
            task_state=found.get("OS-EXT-STS:task_state"),
            locked=found.get("locked"),
            held=bool(found.get("metadata", {}).get(HOLD_METADATA, "").strip()),
        )

    def last_action(self) -> str:
        """What was asked of it last, for the log; it is read before anything is asked."""
        with _trouble_said():
            answer = self.connection.compute.get(f"/servers/{self.server_id}/os-instance-actions")
            raise_from_response(answer)
            actions = answer.json()["instanceActions"]
        return f"{actions[0]['action']} at {actions[0]['start_time']}" if actions else "nothing"

    def shelve(self) -> None:
        """Ask for it, once, whatever comes of it."""
        with _trouble_said():
            answer = self.connection.compute.post(
                f"/servers/{self.server_id}/action", json={"shelve": None}
            )
            raise_from_response(answer)


def open_cloud(name: str, server_id: str) -> Cloud:
    """The entry of clouds.yaml. Raises CloudAway."""
    with _trouble_said():
        return Cloud(
            openstack.connect(cloud=name, app_name="dubfleet-guard", api_timeout=_TIMEOUT),
            server_id,
        )


@contextmanager
def _trouble_said() -> Iterator[None]:
    try:
        yield
    except (SDKException, ClientException, OSError, KeyError, ValueError) as error:
        status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
        raise CloudAway(f"{type(error).__name__} {status or ''}".strip()) from error

"""Signs of life for the guards that share nothing with the rest of the fleet.

A node and the controller write theirs straight to Redis, each under a key of its own; the
dead-man's switch on the main server reads them. The node's is also a file in its work folder, for
the guard on the node itself. Also here: what is written on a server at the cloud to say whose it
is.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr

from gpu_node.contracts.base import Document
from gpu_node.contracts.node_api import BootId

CONTROLLER_KEY = "controller:hb"
_NODE_PREFIX = "hb:"

KEPT_SECONDS = 30 * 86_400
"""Redis drops a pulse after so long. A pulse that stopped has to be readable long after: a key that
is missing means that Redis lost it, and says nothing of who wrote it."""

PULSE_FILE = "run/pulse.json"
"""The node's pulse, below its work folder."""

DEFAULT_TAG = "dubfleet=1"
"""Metadata of a server of the fleet, unless FLEET_SERVER_TAG says otherwise."""

NODE_METADATA = "dubfleet_node"
"""Metadata that names the node on a server whose own name is another one."""

HOLD_METADATA = "dubfleet_hold"
"""Metadata, with any value but an empty or blank one, that keeps every guard's hands off a
server. A hold that was released leaves an empty one."""


def _readable(value: SecretStr) -> SecretStr:
    """Otherwise a library would say so at some later time, with a piece of the password."""
    try:
        url = urlsplit(value.get_secret_value())
        readable = (
            url.scheme in ("redis", "rediss")
            and url.hostname is not None
            and url.port != 0
            and _REDIS_PATH.fullmatch(url.path) is not None
            # An @ beyond the host: what we take for the host is the beginning of a password.
            and "@" not in url.query
            and not url.fragment
        )
    except ValueError:
        readable = False
    if not readable:
        raise ValueError(
            "it has to read rediss://user:password@host:port/number (or redis://), with %XX for "
            "every special character of the password"
        )
    return value


_REDIS_PATH = re.compile(r"/?\d*")

RedisUrl = Annotated[SecretStr, AfterValidator(_readable)]
"""Where pulses go."""


class Pulse(Document):
    """Somebody is there. Whoever reads it looks whether it changed since, never at `at`.

    Clocks differ and are set; a number that does not go up any more says the same without them.
    """

    boot_id: BootId
    """New for every start of the program that writes."""
    beat: int = Field(ge=0)
    """Goes up by one with every pulse of this boot."""
    at: AwareDatetime
    """For people."""

    @property
    def mark(self) -> str:
        """Differs from that of every other pulse."""
        return f"{self.boot_id}:{self.beat}"


class ControllerPulse(Pulse):
    """Under CONTROLLER_KEY: a tick of the fleet came to its end."""


class NodePulse(Pulse):
    """Under `node_key`: a node's worker, and what it is at."""

    node: str = Field(max_length=63)
    busy: bool
    """At work: at a job, or about to ask for one."""
    job: str | None = Field(default=None, max_length=64)
    kept: bool = False
    """The job is done: its result lies on the disk, and only has to be handed in."""

    @property
    def shows_no_job(self) -> bool:
        """A result that only waits to be handed in is no job: it is safe on the disk."""
        return self.kept or (not self.busy and self.job is None)


def node_key(node: str) -> str:
    """Where a node's pulse lies in Redis."""
    return _NODE_PREFIX + node

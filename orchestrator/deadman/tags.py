"""What is written on a server at the cloud, by which the switch knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from openstack.connection import Connection
from openstack.exceptions import ConflictException

from gpu_node.contracts.pulse import DEFAULT_TAG, HOLD_METADATA, NODE_METADATA


@dataclass(frozen=True, slots=True)
class Tag:
    """One key and value of a server's metadata."""

    key: str
    value: str

    @classmethod
    def parse(cls, written: str) -> Self:
        """From `key=value`. Raises ValueError."""
        key, _, value = (part.strip() for part in written.partition("="))
        if not key or not value:
            raise ValueError("it has to be written key=value")
        return cls(key, value)

    def is_on(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get(self.key) == self.value


def is_held(metadata: Mapping[str, str]) -> bool:
    """Whether a person keeps the guards' hands off. Any word counts, "no" and "0" too."""
    return bool(metadata.get(HOLD_METADATA, "").strip())


def node_of(metadata: Mapping[str, str], server_name: str) -> str:
    """The node that a server is."""
    return metadata.get(NODE_METADATA, "").strip() or server_name


def is_in_care(metadata: Mapping[str, str], node: str, written: str = DEFAULT_TAG) -> bool:
    """Whether nothing is left to be done by `tag_server`. Raises ValueError for no tag."""
    tagged = Tag.parse(written or DEFAULT_TAG).is_on(metadata)
    return tagged and metadata.get(NODE_METADATA) == node


def tag_server(
    connection: Connection, server_id: str, node: str, written: str = DEFAULT_TAG
) -> bool:
    """Put a server into the switch's care; what else its metadata say stays.

    False when Nova takes no metadata just now, as for a server that is offloaded or busy with a
    task: it has to be tried again once it is awake. Raises ValueError for a tag that is none, and
    whatever else openstacksdk raises.
    """
    tag = Tag.parse(written or DEFAULT_TAG)
    said = {tag.key: tag.value, NODE_METADATA: node}
    try:
        connection.compute.set_server_metadata(server_id, **said)
    except ConflictException:
        return False
    return True

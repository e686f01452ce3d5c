"""Makes a server known as a node, with the token its worker will show."""

from __future__ import annotations

import hashlib
from datetime import datetime

from orchestrator.models import Node

LEAST_TOKEN = 32


def hash_token(token: str) -> str:
    """What is kept of a node's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def enrol(name: str, server_id: str, token: str, now: datetime) -> Node:
    """Create the node, or give it this server and token.

    Raises ValueError for a weak token, and for a server or a token that another node has: two
    nodes of one server would each shelve it under the other's job.
    """
    if len(token) < LEAST_TOKEN:
        raise ValueError(f"A node's token has at least {LEAST_TOKEN} characters.")
    others = Node.objects.exclude(name=name)
    if (other := others.filter(server_id=server_id).exclude(server_id="").first()) is not None:
        raise ValueError(f"The server {server_id} is the node {other.name} already.")
    if (other := others.filter(token_hash=hash_token(token)).first()) is not None:
        raise ValueError(f"The node {other.name} has this token: each node has one of its own.")
    node, _ = Node.objects.update_or_create(
        name=name,
        defaults={"server_id": server_id, "token_hash": hash_token(token)},
        create_defaults={
            "server_id": server_id,
            "token_hash": hash_token(token),
            "created_at": now,
        },
    )
    return node


def node_of(token: str) -> Node | None:
    """The node whose token this is."""
    if len(token) < LEAST_TOKEN:
        return None
    return Node.objects.filter(token_hash=hash_token(token)).first()

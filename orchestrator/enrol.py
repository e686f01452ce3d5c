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
    """Create the node, or give it this server and token. Raises ValueError for a weak token."""
    if len(token) < LEAST_TOKEN:
        raise ValueError(f"A node's token has at least {LEAST_TOKEN} characters.")
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

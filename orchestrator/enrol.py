"""Makes a server known as a node, with the token its worker will show."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from orchestrator import ledger, store, waking
from orchestrator.models import Attempt, CloudOperation, Node
from orchestrator.states import UNRESOLVED, AttemptOutcome, CloudStatus, Wanted

LEAST_TOKEN = 32

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
"""As a host may be called; the column takes no more."""

_LONGEST_SERVER = 64


def hash_token(token: str) -> str:
    """What is kept of a node's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def enrol(name: str, server_id: str, token: str, now: datetime) -> Node:
    """Create the node, or give it this server and token.

    Raises ValueError for a weak token, for a server or a token that another node has (two nodes of
    one server would each shelve it under the other's job), and for another server while the node is
    at work with the one it has.
    """
    if not NAME.fullmatch(name):
        raise ValueError("A node's name has small letters, digits and hyphens, at most 63.")
    if len(server_id) > _LONGEST_SERVER:
        raise ValueError(f"A server's id or name has at most {_LONGEST_SERVER} characters here.")
    if len(token) < LEAST_TOKEN:
        raise ValueError(f"A node's token has at least {LEAST_TOKEN} characters.")
    others = Node.objects.exclude(name=name)
    if (other := others.filter(server_id=server_id).exclude(server_id="").first()) is not None:
        raise ValueError(f"The server {server_id} is the node {other.name} already.")
    if (other := others.filter(token_hash=hash_token(token)).first()) is not None:
        raise ValueError(f"The node {other.name} has this token: each node has one of its own.")
    with store.atomic():
        Node.objects.filter(name=name).update(touched_at=now)
        node = Node.objects.filter(name=name).first()
        if node is None:
            return Node.objects.create(
                name=name,
                server_id=server_id,
                server_since=now,
                token_hash=hash_token(token),
                created_at=now,
            )
        if node.server_id != server_id:
            _change_server(node, server_id, now)
        Node.objects.filter(pk=node.pk).update(token_hash=hash_token(token))
        node.refresh_from_db()
    return node


def _change_server(node: Node, server_id: str, now: datetime) -> None:
    """Nothing that is known of the old server is said of the new one."""
    at_work = Attempt.objects.filter(node=node, outcome=AttemptOutcome.RUNNING).exists()
    if at_work or CloudOperation.objects.filter(node=node, outcome__in=UNRESOLVED).exists():
        raise ValueError(f"{node.name} is at work with the server it has: drain it first.")
    ledger.enter(node.pk, None, now)
    held = node.wanted == Wanted.HELD
    Node.objects.filter(pk=node.pk).update(
        server_id=server_id,
        server_since=now,
        wanted=Wanted.HELD if held else Wanted.ASLEEP,
        cloud_status=CloudStatus.UNKNOWN,
        cloud_task="",
        cloud_locked=False,
        cloud_fault="",
        cloud_seen_at=None,
        address="",
        **waking.OVER,
    )


def node_of(token: str) -> Node | None:
    """The node whose token this is."""
    if len(token) < LEAST_TOKEN:
        return None
    return Node.objects.filter(token_hash=hash_token(token)).first()

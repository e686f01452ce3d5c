"""(4), (5): one request to the cloud at a time, by whoever stands for it, and not believed before
it has worked. (3): none that would take a node from its job, or from whoever holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from orchestrator.models import CloudOperation, Node
from orchestrator.providers.port import ActionResult
from orchestrator.simulator.checks.eyes import Eyes, Pair, seconds
from orchestrator.simulator.servers import Server
from orchestrator.simulator.stores import Row
from orchestrator.states import (
    UNRESOLVED,
    CloudStatus,
    Gate,
    OperationKind,
    OperationOutcome,
    Wanted,
)


class Requests:
    """Calls to the cloud: as rows, and at the moment that they arrive there."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._held_since: dict[Any, datetime] = {}

    def nodes(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            was = None if old is None else old["wanted"]
            if row["wanted"] != Wanted.HELD:
                self._held_since.pop(row["id"], None)
            elif was != Wanted.HELD:
                self._held_since[row["id"]] = self._eyes.now

    def operations(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            if old is None or old["outcome"] != row["outcome"]:
                self._eyes.world.turning()
            if old is None:
                self._is_alone(row)
            elif old["outcome"] != row["outcome"]:
                self._eyes.saw(f"operation: {row['kind']} {old['outcome']} -> {row['outcome']}")
                if row["reason"]:
                    self._eyes.saw(f"operation: {row['kind']} {row['reason']}")
                if row["outcome"] == OperationOutcome.SUCCEEDED:
                    self._really_succeeded(row)

    def posted(self, server: Server, server_id: str, kind: OperationKind, asked: datetime) -> None:
        """The cloud gets a request, at this moment; whoever makes it began to do so at `asked`."""
        eyes, now = self._eyes, self._eyes.now
        eyes.world.note(f"{eyes.who()} asks to {kind} {server.name}")
        node = next(r for r in eyes.rows(Node).values() if r["server_id"] == server_id)
        operations = eyes.some(CloudOperation, "node_id", node["id"])
        self._read_before_again(server, operations, kind)
        intended = any(r["outcome"] in UNRESOLVED and r["kind"] == kind for r in operations)
        eyes.require(intended, f"a request to {kind} came that nobody stands for any more")
        latest = max(r["send_by"] for r in operations if r["outcome"] in UNRESOLVED)
        eyes.require(
            now <= latest + seconds(eyes.world.rules.call),
            f"a request to {kind} came after the time in which it might be made",
        )
        # What is on its way already cannot be called back.
        held = self._held_since.get(node["id"]) if node["wanted"] == Wanted.HELD else None
        eyes.require(
            held is None or held > asked, f"a request to {kind} came for a node that is held"
        )
        if kind is OperationKind.UNSHELVE:
            self._backs_off(node, operations, now)
            return
        live = [row for row in eyes.running(node["id"]) if row["lease_until"] >= now]
        eyes.require(not live, "a node with a live lease is shelved")
        eyes.require(node["gate"] == Gate.STOPPING, "a node with an open gate is shelved")

    def _is_alone(self, row: Row) -> None:
        unresolved = [
            one
            for one in self._eyes.some(CloudOperation, "node_id", row["node_id"])
            if one["outcome"] in UNRESOLVED
        ]
        self._eyes.require(len(unresolved) <= 1, "two calls about one node are under way at once")

    def _read_before_again(
        self, server: Server, operations: list[Row], kind: OperationKind
    ) -> None:
        """After a request whose answer nobody noted, the list of actions is read first."""
        ours = [action for action in server.actions if not action.foreign]
        if server.list_read_after or not ours:
            return
        noted = {row["request_id"] for row in operations}
        last = ours[-1]
        self._eyes.require(
            last.kind is not kind or last.request_id in noted,
            f"a request to {kind} was repeated without having read the list of actions",
        )

    def _backs_off(self, node: Mapping[str, Any], operations: list[Row], now: datetime) -> None:
        failed = [
            row["resolved_at"]
            for row in operations
            if row["kind"] == OperationKind.UNSHELVE
            and row["outcome"] == OperationOutcome.FAILED
            and row["reason"] != "called_off"
        ]
        last = max(failed, default=None)
        waited = last is None or now - last >= timedelta(seconds=55)
        sentence = f"{node['name']} was woken again right after it could not be woken"
        self._eyes.require(waited, sentence)

    def _really_succeeded(self, row: Row) -> None:
        """What is believed to have worked has worked, or its goal was reached otherwise."""
        node = self._eyes.node(row["node_id"])
        server = self._eyes.world.cloud.servers[node["server_id"]]
        action = next((a for a in server.actions if a.request_id == row["request_id"]), None)
        if action is None or action.result is ActionResult.OK:
            return
        goal = (
            CloudStatus.ACTIVE
            if row["kind"] == OperationKind.UNSHELVE
            else CloudStatus.SHELVED_OFFLOADED
        )
        later = server.actions[-1] is not action
        self._eyes.require(
            node["cloud_status"] == goal and (server.status is goal or later),
            f"a request to {row['kind']} that failed is believed to have worked",
        )

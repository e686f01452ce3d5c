"""(3), (6): what a node's time is billed for is what it did, and time that is billed for nothing
useful is soon known to people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from orchestrator.models import Alert, CloudOperation, LedgerEntry
from orchestrator.providers.port import ActionResult
from orchestrator.simulator.checks.eyes import Eyes, Pair, seconds
from orchestrator.simulator.stores import Row
from orchestrator.states import (
    UNRESOLVED,
    Cause,
    CloudStatus,
    Gate,
    OperationKind,
    Wanted,
)

_SAID_WITHIN = seconds(300)

_STRANGE_FOR = 3
"""Whole ticks after which a server that is nobody's was mentioned."""


class Causes:
    """Looks at what is written down when a tick is over: by then all of it was brought up to
    date."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._first_seen: dict[Any, datetime] = {}
        self._whole_ticks = 0

    def entries(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            if row["ended_at"] is None:
                self._first_seen.setdefault(row["id"], self._eyes.now)
            if row["settled"]:
                continue
            if old is None and row["cause"] == Cause.EXTERNAL:
                self._is_not_ours(row)
            if row["cause"] == Cause.BOOT and row["ended_at"] is not None:
                self._was_short(row)

    def alerts(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            if old is None:
                self._eyes.saw(f"alert: {row['kind']}")

    def ticked(self, began: datetime) -> None:
        """Called when a tick has gone through, from a look at the cloud to the alerts."""
        # While a tick stands still its node may be about something new.
        just_now = began == self._eyes.now
        warned = {row["subject"] for row in self._eyes.some(Alert, "cleared_at", None)}
        for row in self._eyes.some(LedgerEntry, "ended_at", None):
            node = self._eyes.node(row["node_id"])
            if row["cause"] == Cause.FAILURE:
                self._is_said(row, node, began, warned)
            if just_now:
                self._is_so(row, node, began)
        if just_now:
            self._jobs_are_called_so()
        self._strangers_are_said(warned)

    # ---------------------------------------------------------------------------------- alerts

    def _is_said(self, row: Row, node: Row, began: datetime, warned: set[str]) -> None:
        known = self._first_seen.get(row["id"], began)
        if known >= began or began - row["started_at"] < _SAID_WITHIN:
            return
        self._eyes.require(
            node["name"] in warned,
            f"{node['name']} has been billed for nothing since {row['started_at']}, and no alert "
            "says so",
        )

    def _strangers_are_said(self, warned: set[str]) -> None:
        self._whole_ticks += 1
        if self._whole_ticks < _STRANGE_FOR:
            return
        for server in self._eyes.world.cloud.strangers:
            self._eyes.require(
                any(server.name.startswith(said) for said in warned),
                "a server of the fleet that is nobody's is not mentioned",
            )

    # ---------------------------------------------------------------------------------- causes

    def _is_so(self, row: Row, node: Row, began: datetime) -> None:
        """What is so right now is what the open stretch is called."""
        eyes, name = self._eyes, node["name"]
        match row["cause"]:
            case Cause.JOB:
                mine = eyes.running(node["id"])
                right = any(one["job_id"] == row["job_id"] for one in mine)
            case Cause.BOOT:
                limit = self._boot_limit(node)
                known_ready = node["ready_at"] is not None
                right = known_ready or limit is None or began <= limit
                eyes.require(
                    not known_ready,
                    f"{name} boots, and its worker is said to be ready",
                )
            case Cause.IDLE:
                right = node["ready_at"] is not None and node["gate"] == Gate.OPEN
            case Cause.DRAIN:
                right = node["gate"] != Gate.OPEN
            case Cause.HOLD:
                right = node["wanted"] == Wanted.HELD
            case Cause.SHELVING:
                shelving = self._operation(node) == OperationKind.SHELVE
                right = shelving or node["cloud_task"].startswith("shelving")
            case _:
                right = True
        eyes.require(right, f"{name} is billed for {row['cause']}, and that is not what it does")

    def _jobs_are_called_so(self) -> None:
        for attempt in self._eyes.running():
            node = self._eyes.node(attempt["node_id"])
            works = node["cloud_status"] == CloudStatus.ACTIVE and not node["cloud_task"]
            if not works or self._operation(node) == OperationKind.SHELVE:
                continue
            entries = self._eyes.some(LedgerEntry, "node_id", node["id"])
            self._eyes.require(
                any(
                    row["ended_at"] is None
                    and row["cause"] == Cause.JOB
                    and row["job_id"] == attempt["job_id"]
                    for row in entries
                ),
                f"{node['name']} works, and its time is not called so",
            )

    def _was_short(self, row: Row) -> None:
        rules = self._eyes.world.rules
        limit = self._boot_limit(self._eyes.node(row["node_id"]))
        longest = row["started_at"] + seconds(rules.unshelve + rules.boot + 2 * rules.tick)
        short = row["ended_at"] <= max(longest, limit or longest)
        sentence = "a boot went on beyond its limit, and it is not called a failure"
        self._eyes.require(short, sentence)

    def _boot_limit(self, node: Row) -> datetime | None:
        rules = self._eyes.world.rules
        if node["active_since"] is not None:
            active: datetime = node["active_since"]
            return active + seconds(rules.boot)
        if node["awake_since"] is None:
            return None
        asked: datetime = node["awake_since"]
        return asked + seconds(rules.unshelve)

    def _is_not_ours(self, row: Row) -> None:
        """A waking that we have asked for is a boot, whatever became of the answer."""
        world = self._eyes.world
        node = self._eyes.node(row["node_id"])
        server = world.cloud.servers[node["server_id"]]
        last = server.actions[-1] if server.actions else None
        ours = (
            last is not None
            and last.kind is OperationKind.UNSHELVE
            and not last.foreign
            and last.result is not ActionResult.FAILED
        )
        sentence = "a waking that we asked for is called somebody else's"
        self._eyes.require(not ours, sentence)

    def _operation(self, node: Row) -> str | None:
        for row in self._eyes.some(CloudOperation, "node_id", node["id"]):
            if row["outcome"] in UNRESOLVED:
                return str(row["kind"])
        return None

"""(6): every billed second has a cause, it is the right one, and the cloud has noted the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from orchestrator.models import LedgerEntry
from orchestrator.simulator.checks.eyes import Eyes, Pair, seconds
from orchestrator.simulator.servers import Billed, Server
from orchestrator.simulator.stores import Row
from orchestrator.states import Cause, CloudStatus


class Ledger:
    """The rows as they are written, and against the cloud's own record in the end."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._ticks: list[tuple[datetime, datetime]] = []

    def ticked(self, began: datetime) -> None:
        self._ticks.append((began, self._eyes.now))

    def entries(self, changed: Iterable[Pair]) -> None:
        pairs = list(changed)
        for old, row in pairs:
            if old is None:
                self._eyes.saw(f"cause: {row['cause']}")
        for node in {row["node_id"] for _, row in pairs}:
            self._do_not_overlap(node)

    def _do_not_overlap(self, node: Any) -> None:
        rules = self._eyes.world.rules
        longest = seconds(rules.longest_idle + rules.tick + 0.001)
        mine = sorted(
            self._eyes.some(LedgerEntry, "node_id", node),
            key=lambda row: (row["started_at"], row["ended_at"] is None, row["ended_at"]),
        )
        for row in mine:
            if row["cause"] == Cause.IDLE and row["ended_at"] is not None:
                self._eyes.require(
                    row["ended_at"] - row["started_at"] <= longest or self._eyes.world.warm,
                    "a node idled for longer than it may, and it is not called a failure",
                )
        for one, two in pairwise(mine):
            if one["ended_at"] is not None and one["ended_at"] <= two["started_at"]:
                continue
            sentence = f"two stretches of the ledger overlap: {_stretch(one)} and {_stretch(two)}"
            self._eyes.require(False, sentence)

    # ---------------------------------------------------------------------------------- the end

    def in_the_end(self) -> None:
        """After it has all come to rest: ours is the cloud's own record."""
        for host in self._eyes.world.hosts.values():
            server = self._eyes.world.cloud.servers[host.server_id]
            mine = self._eyes.some(LedgerEntry, "node_id", host.pk)
            # Of a server that was deleted the cloud has no notes any more.
            known = server.billed if server.status is not CloudStatus.DELETED else []
            for stretch in known:
                self._accounted(host.name, stretch, mine)
            for row in mine:
                self._was_billed(host.name, row, server)

    def unsettled(self) -> list[str]:
        """What waits to be compared with the cloud's notes, of servers that have any."""
        world, found = self._eyes.world, []
        for host in world.hosts.values():
            server = world.cloud.servers[host.server_id]
            if server.status is CloudStatus.DELETED:
                continue
            mine = self._eyes.some(LedgerEntry, "node_id", host.pk)
            found += [f"{host.name}: {_stretch(row)}" for row in mine if not row["settled"]]
        return found

    def _accounted(self, name: str, stretch: Billed, mine: list[Row]) -> None:
        """Every billed second has a cause, but for what passed before anybody could see it."""
        if stretch.end is None:
            return
        covered = sum(
            (
                max(
                    timedelta(),
                    min(row["ended_at"], stretch.end) - max(row["started_at"], stretch.start),
                )
                for row in mine
            ),
            timedelta(),
        )
        missing = (stretch.end - stretch.start) - covered
        unseen = min(self._seen_after(stretch.start), stretch.end) - stretch.start
        self._eyes.require(
            missing <= unseen + self._clocks_differ(),
            f"{missing} of {name}'s billed time from {stretch.start} to {stretch.end} has no cause",
        )

    def _was_billed(self, name: str, row: Row, server: Server) -> None:
        """Nothing is written down that was not billed, but for what was seen late."""
        start, end = row["started_at"], row["ended_at"]
        for stretch in server.billed:
            if stretch.end is not None and stretch.start <= end and start <= stretch.end:
                late = self._seen_after(stretch.end) - stretch.end
                if row["settled"] and not stretch.foreign:
                    late = self._clocks_differ()
                start = max(start, min(end, stretch.end + late))
        if server.status is CloudStatus.DELETED:
            # The cloud has no notes of it any more: what was seen late stays as it was seen.
            return
        rules = self._eyes.world.rules
        early = seconds(rules.tick + 2 * rules.call)
        left = end - start
        holds = left <= max(early, timedelta(seconds=60))
        sentence = f"{left} of {name} are in the ledger ({row['cause']} until {end}), not billed"
        self._eyes.require(holds, sentence)

    def _clocks_differ(self) -> timedelta:
        return seconds(1 + abs(self._eyes.world.rules.cloud_clock))

    def _seen_after(self, moment: datetime) -> datetime:
        """When a whole tick that began after it had ended."""
        return next((end for began, end in self._ticks if began >= moment), self._eyes.now)


def _stretch(row: Row) -> str:
    return f"{row['cause']} {row['started_at']:%H:%M:%S.%f} to {row['ended_at']}"

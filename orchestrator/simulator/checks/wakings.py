"""Nobody is woken for nothing: each waking has a job that would else wait, or keeps a node warm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from orchestrator.models import CloudOperation, Node
from orchestrator.simulator.checks.eyes import Eyes, Pair
from orchestrator.simulator.stores import Row
from orchestrator.states import (
    UNRESOLVED,
    CloudStatus,
    Gate,
    OperationKind,
    Wanted,
)

_ON_ITS_WAY = frozenset({CloudStatus.SHELVED_OFFLOADED, CloudStatus.SHELVED, CloudStatus.ACTIVE})


class Wakings:
    """Looks at each intent to wake a node at the moment that it is written down."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def operations(self, changed: Iterable[Pair]) -> None:
        # One that stood still between its look and its intent did not know better.
        if not (self._eyes.exact and self._eyes.at_once()):
            return
        for old, row in changed:
            if old is None and row["kind"] == OperationKind.UNSHELVE:
                self._has_a_reason(row)

    def _has_a_reason(self, row: Row) -> None:
        world = self._eyes.world
        kinds = {node["id"]: self._does(node) for node in self._eyes.rows(Node).values()}
        there = [key for key, node in self._eyes.rows(Node).items() if self._is_there(node)]
        others = [key for key in there if key != row["node_id"]]
        if len(others) < world.rules.keep_warm:
            return
        busy = {one["node_id"] for one in self._eyes.running()}
        free = [key for key in others if key not in busy]
        waiting = [
            job["kind"] for job in self._eyes.queued() if job["not_before"] <= self._eyes.now
        ]
        mine = [kinds[key] for key in free]
        helps = _served(waiting, [*mine, kinds[row["node_id"]]]) > _served(waiting, mine)
        self._eyes.require(
            helps,
            f"a node was woken although {len(free)} free ones are there for {len(waiting)} jobs",
        )

    def _does(self, node: Row) -> frozenset[str]:
        """What the fleet can know of it."""
        return frozenset(node["worker_kinds"]) or frozenset(self._eyes.world.all_kinds)

    def _is_there(self, node: Row) -> bool:
        """Whether it certainly serves, or will without anything being asked for."""
        world, now = self._eyes.world, self._eyes.now
        quarantined = node["quarantined_until"] is not None and node["quarantined_until"] > now
        if node["gate"] != Gate.OPEN or node["parked"] or quarantined:
            return False
        if node["wanted"] == Wanted.HELD:
            return False
        for operation in self._eyes.some(CloudOperation, "node_id", node["id"]):
            if operation["outcome"] in UNRESOLVED:
                waking = operation["kind"] == OperationKind.UNSHELVE
                return waking and node["cloud_status"] in _ON_ITS_WAY
        return (
            node["cloud_status"] == CloudStatus.ACTIVE
            and not node["cloud_task"]
            and node["ready_at"] is not None
            and node["worker_state"] == "ready"
            and now - node["worker_seen_at"] <= timedelta(seconds=world.rules.heartbeat * 2)
        )


def _served(jobs: Sequence[str], nodes: Sequence[frozenset[str]]) -> int:
    """How many of these jobs could be begun at once, each node taking one (Kuhn's matching)."""
    taken: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for job, kind in enumerate(jobs):
            if kind not in nodes[number] or job in tried:
                continue
            tried.add(job)
            if job not in taken or place(taken[job], tried):
                taken[job] = number
                return True
        return False

    return sum(place(number, set()) for number in range(len(nodes)))

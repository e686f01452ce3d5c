"""Whether it has all come to rest, and how it stands when it has not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from orchestrator.models import CloudOperation, Job, LedgerEntry, Node
from orchestrator.simulator.checks.eyes import Eyes
from orchestrator.states import (
    ACTIVE_JOB_STATES,
    UNRESOLVED,
    CloudStatus,
    Gate,
    Wanted,
)

_SLEEPING = frozenset({CloudStatus.SHELVED_OFFLOADED, CloudStatus.DELETED})

_SETTLING = timedelta(minutes=3)
"""A ledger that has not been settled by then waits for something that will not come soon."""


class Rest:
    """Nobody waits, nothing is billed."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def asleep(self) -> bool:
        """Whether nothing is to be done, however long one waits."""
        if not self._servers_sleep():
            return False
        for row in self._eyes.rows(Node).values():
            if row["cloud_status"] == CloudStatus.DELETED:
                continue
            if (
                row["cloud_status"] != CloudStatus.SHELVED_OFFLOADED
                or row["wanted"] != Wanted.ASLEEP
                or row["gate"] != Gate.OPEN
                or row["awake_since"] is not None
                or row["ready_at"] is not None
                or row["cloud_task"]
            ):
                return False
        if self._somebody_waits() or self._a_call_is_under_way():
            return False
        now = self._eyes.now
        return all(
            row["ended_at"] is not None and now - row["ended_at"] > _SETTLING
            for row in self._eyes.rows(LedgerEntry).values()
            if not row["settled"]
        )

    def at_rest(self) -> bool:
        """Nobody waits, nothing is billed, and the ledger says the same."""
        world = self._eyes.world
        gone = world.gone() == len(world.hosts)
        return (
            (gone or not self._somebody_waits())
            and self._servers_sleep()
            and not self._eyes.some(LedgerEntry, "ended_at", None)
            and not self._a_call_is_under_way()
            and all(
                row["wanted"] == Wanted.ASLEEP or row["cloud_status"] == CloudStatus.DELETED
                for row in self._eyes.rows(Node).values()
            )
        )

    def describe(self) -> Iterator[str]:
        for row in self._eyes.rows(Job).values():
            if row["state"] in ACTIVE_JOB_STATES:
                yield f"job {str(row['id'])[:8]} {row['state']}, not before {row['not_before']}"
        for row in self._eyes.rows(Node).values():
            server = self._eyes.world.server(row["name"])
            yield (
                f"{row['name']}: wanted {row['wanted']}, gate {row['gate']} ({row['gate_why']}), "
                f"cloud {row['cloud_status']}/{row['cloud_task']} "
                f"(really {server.status}/{server.task}), worker {row['worker_state']}, "
                f"failures {row['failures']}, not before {row['not_before']}"
            )
        for row in list(self._eyes.rows(CloudOperation).values())[-6:]:
            yield f"operation {row['kind']} {row['outcome']} {row['reason']} {row['intended_at']}"
        for row in list(self._eyes.rows(LedgerEntry).values())[-8:]:
            yield f"ledger {row['cause']} {row['started_at']} to {row['ended_at']}"

    def _servers_sleep(self) -> bool:
        servers = self._eyes.world.cloud.servers.values()
        return all(one.task is None and one.status in _SLEEPING for one in servers)

    def _somebody_waits(self) -> bool:
        return any(self._eyes.some(Job, "state", state) for state in ACTIVE_JOB_STATES)

    def _a_call_is_under_way(self) -> bool:
        return any(self._eyes.some(CloudOperation, "outcome", one) for one in UNRESOLVED)

"""Quarantine: a node that loses job after job is given none for a while."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from orchestrator.simulator.checks.eyes import Eyes, Pair
from orchestrator.simulator.stores import Row
from orchestrator.states import LOSSES, AttemptOutcome

_TOO_MANY = 2
"""Different jobs lost with nothing finished in between."""


class Losses:
    """Counts for itself what each node has lost."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._lost: dict[Any, set[Any]] = {}
        self._until: dict[Any, datetime] = {}

    def attempts(self, changed: Iterable[Pair]) -> None:
        if not self._eyes.exact:
            return
        for old, row in changed:
            if old is None:
                self._is_given_one(row)
            elif row["outcome"] in LOSSES and old["outcome"] not in LOSSES:
                self._loses(row)
            elif row["steps"] > old["steps"] or row["outcome"] == AttemptOutcome.SUCCEEDED:
                self._lost.pop(row["node_id"], None)

    def _loses(self, row: Row) -> None:
        node = row["node_id"]
        if row["steps"] > row["steps_before"]:
            self._lost.pop(node, None)
        lost = self._lost.setdefault(node, set())
        lost.add(row["job_id"])
        if len(lost) < _TOO_MANY:
            return
        del self._lost[node]
        until = self._eyes.node(node)["quarantined_until"]
        self._eyes.require(
            until is not None and until > self._eyes.now,
            "a node lost two different jobs in a row and is not left alone",
        )
        self._until[node] = until

    def _is_given_one(self, row: Row) -> None:
        until = self._until.get(row["node_id"])
        self._eyes.require(
            until is None or row["claimed_at"] >= until,
            "a node was given a job although it had just lost two",
        )

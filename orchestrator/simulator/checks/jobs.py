"""(1), (2): one accepted result for each job, and whoever may fails it, takes it, or takes it back.

The rules are written here a second time, from the design: the code's own would agree with itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gpu_node.contracts.errors import Reason
from orchestrator.models import Attempt, Job
from orchestrator.simulator.checks.eyes import Eyes, Pair
from orchestrator.simulator.stores import Row
from orchestrator.simulator.worker import Fate
from orchestrator.states import (
    ACTIVE_JOB_STATES,
    JOB_TRANSITIONS,
    LOSSES,
    AttemptOutcome,
    Gate,
    JobState,
)

_REVIVED = (AttemptOutcome.EXPIRED, AttemptOutcome.RUNNING)

_TRIES = 3
"""A job that fails so often, for a reason that may pass, with nothing finished in between, has
failed."""


class Jobs:
    """Jobs and the attempts at them."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._accepted: dict[Any, Any] = {}
        self.queued_since: dict[Any, datetime] = {}
        """From when each job that waits may be claimed."""

    def jobs(self, changed: Iterable[Pair]) -> None:
        require, saw = self._eyes.require, self._eyes.saw
        for old, row in changed:
            if row["state"] == JobState.QUEUED and (old is None or old["state"] != row["state"]):
                self.queued_since[row["id"]] = max(self._eyes.now, row["not_before"])
            if old is None or old["state"] == row["state"]:
                if old is not None and old["state"] not in ACTIVE_JOB_STATES:
                    require(old["result"] == row["result"], "an accepted result has changed")
                continue
            saw(f"job: {old['state']} -> {row['state']}")
            if row["state"] == JobState.FAILED:
                saw(f"job failed: {row['reason']}")
            if row["state"] == JobState.CANCELLED:
                cancelled = str(row["id"]) in self._eyes.world.cancelled
                require(cancelled, "a job was cancelled by nobody")
            require(
                not self._eyes.exact
                or JobState(row["state"]) in JOB_TRANSITIONS[JobState(old["state"])],
                f"a job went from {old['state']} to {row['state']}",
            )

    def attempts(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            before = None if old is None else old["outcome"]
            if before == row["outcome"]:
                continue
            if before is not None:
                self._eyes.saw(f"attempt: {before} -> {row['outcome']}")
                self._may_become(before, row["outcome"])
            if row["outcome"] == AttemptOutcome.RUNNING:
                self._begins(before, row)
            elif self._eyes.exact and old is not None:
                self._ends(old, row)
            if row["outcome"] == AttemptOutcome.SUCCEEDED:
                self._succeeds(row)

    def agree(self, changed: Iterable[Any]) -> None:
        """A running job has one running attempt, a succeeded one a succeeded attempt."""
        rows = self._eyes.rows(Job)
        for key in changed:
            mine = Counter(row["outcome"] for row in self._tries(key))
            running, succeeded = mine[AttemptOutcome.RUNNING], mine[AttemptOutcome.SUCCEEDED]
            state = rows[key]["state"]
            self._eyes.require(
                running == (state == JobState.RUNNING), f"a {state} job has {running} running tries"
            )
            self._eyes.require(
                succeeded == (state == JobState.SUCCEEDED),
                f"a {state} job has {succeeded} accepted results",
            )

    def was_accepted(self, job: str, number: int) -> bool:
        return any(
            row["number"] == number and row["outcome"] == AttemptOutcome.SUCCEEDED
            for row in self._tries(UUID(job))
        )

    def in_the_end(self) -> None:
        """Each job has come to the end that is its own, or its attempts say why not."""
        world = self._eyes.world
        for key, row in self._eyes.rows(Job).items():
            work = world.work[str(key)]
            if row["state"] in ACTIVE_JOB_STATES:
                continue
            if str(key) in world.cancelled:
                right = row["state"] == JobState.CANCELLED
            else:
                right = self._deserved(row, work.fate, work.steps)
            self._eyes.require(
                right, f"a job that was meant to end {work.fate} is {row['state']} {row['reason']}"
            )

    # --------------------------------------------------------------------------- how they begin

    def _begins(self, before: str | None, row: Row) -> None:
        eyes = self._eyes
        node = eyes.node(row["node_id"])
        shut = node["gate"] != Gate.OPEN or node["parked"]
        closed = node["gate"] == Gate.STOPPING or (before is None and shut)
        # Where rows are looked at now and then only, the gate may have closed since.
        eyes.require(
            not eyes.exact or not closed,
            f"a node took work although its gate was {node['gate']}",
        )
        if not eyes.exact:
            return
        if before is None:
            self._is_the_best(row, node)
        else:
            newest = max(self._tries(row["job_id"]), key=lambda one: int(one["number"]))
            eyes.require(
                newest["id"] == row["id"], "an attempt was revived although there is a newer one"
            )

    def _is_the_best(self, row: Row, node: Row) -> None:
        """Of what the node could have been given: the first of the highest priority."""
        taken = self._eyes.rows(Job)[row["job_id"]]
        mine = (-taken["priority"], taken["created_at"])
        kinds = self._eyes.world.kinds_of(self._eyes.world.hosts[node["name"]])
        self._eyes.require(taken["kind"] in kinds, "a node was given a job that it cannot do")
        for other in self._eyes.queued():
            self._eyes.require(
                other["kind"] not in kinds
                or other["not_before"] > row["claimed_at"]
                or mine <= (-other["priority"], other["created_at"]),
                "a node was given a job although a better one waited",
            )

    # ----------------------------------------------------------------------------- how they end

    def _may_become(self, before: str, after: str) -> None:
        self._eyes.require(
            not self._eyes.exact or before == AttemptOutcome.RUNNING or (before, after) == _REVIVED,
            f"an attempt that was {before} became {after}",
        )

    def _succeeds(self, row: Row) -> None:
        require = self._eyes.require
        first = self._accepted.setdefault(row["job_id"], row["id"])
        require(first == row["id"], "two results of one job were accepted")
        result = self._eyes.rows(Job)[row["job_id"]]["result"]
        require(
            result is not None and result["attempt"] == row["number"],
            "the result that was kept is another attempt's",
        )

    def _ends(self, old: Row, row: Row) -> None:
        """What follows for the job is what its attempts deserve, at this very commit."""
        eyes = self._eyes
        if row["outcome"] == AttemptOutcome.EXPIRED:
            eyes.require(
                old["lease_until"] < eyes.now, "a lease was taken back before it had run out"
            )
            eyes.site_is_settled(
                "a lease was taken back although the site has not been up for as long as one"
            )
        job = eyes.rows(Job)[row["job_id"]]
        tries = self._tries(row["job_id"])
        past = [one for one in tries if one["number"] <= row["number"]]
        waits = job["state"] == JobState.QUEUED or len(past) < len(tries)
        match row["outcome"]:
            case AttemptOutcome.FAILED:
                lesson = eyes.world.work[str(row["job_id"])].fate is Fate.LESSON_AT_FAULT
                over = lesson or _failed_for_good(past)
                tried_later = job["state"] != JobState.QUEUED or job["not_before"] > eyes.now
                eyes.require(tried_later, "a job that failed is tried again without a pause")
            case AttemptOutcome.EXPIRED | AttemptOutcome.LOST:
                over = _lost_for_good(past)
            case AttemptOutcome.RELEASED:
                over = False
            case _:
                return
        eyes.require(
            job["state"] == JobState.FAILED if over else waits,
            f"after an attempt that was {row['outcome']} a job is {job['state']}"
            + (", and it was its last" if over else ", and had more to come"),
        )

    def _deserved(self, row: Row, fate: Fate, steps: int) -> bool:
        if row["state"] == JobState.SUCCEEDED:
            # One of a single step has done it before it kills its worker.
            return fate in (Fate.WELL, Fate.FAILS_ONCE) or (fate is Fate.POISON and steps == 1)
        if row["state"] != JobState.FAILED:
            return False
        past = self._tries(row["id"])
        if row["reason"] == Reason.POISON:
            return _lost_for_good(past)
        if fate is Fate.LESSON_AT_FAULT:
            return True
        return fate in (Fate.FAILS, Fate.FAILS_ONCE) and _failed_for_good(past)

    def _tries(self, job: UUID) -> list[Row]:
        mine = self._eyes.some(Attempt, "job_id", job)
        return sorted(mine, key=lambda one: int(one["number"]))


def _lost_for_good(past: Sequence[Row]) -> bool:
    """Lost on two nodes, or three times on one, with nothing finished in between."""
    lost = Counter(row["node_id"] for row in _since_gain(past) if row["outcome"] in LOSSES)
    return len(lost) >= 2 or max(lost.values(), default=0) >= 3


def _failed_for_good(past: Sequence[Row]) -> bool:
    failed = [row for row in _since_gain(past) if row["outcome"] == AttemptOutcome.FAILED]
    return len(failed) >= _TRIES


def _since_gain(past: Sequence[Row]) -> Sequence[Row]:
    """From the last attempt on that got anything done."""
    gained = [n for n, row in enumerate(past) if row["steps"] > row["steps_before"]]
    return past[gained[-1] :] if gained else past

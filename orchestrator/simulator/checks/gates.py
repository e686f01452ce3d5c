"""(3): a node is drained and stopped when it should be, not before, and not too late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from orchestrator.models import Attempt, Node
from orchestrator.simulator.checks.eyes import Eyes, Pair, seconds
from orchestrator.simulator.checks.jobs import Jobs
from orchestrator.simulator.checks.money import URGENT
from orchestrator.simulator.stores import Row
from orchestrator.states import (
    AttemptOutcome,
    CloudStatus,
    Gate,
    Wanted,
)

_TOLD = "max_uptime"

_SILENCE = frozenset(
    {"worker_silent", "boot_timeout", "worker_broken", "worker_deaf", "idle", "budget"}
)
"""Reasons that say something of a worker who may only not have been able to reach us."""


class Gates:
    """The nodes' gates, and how long nodes idle and work."""

    def __init__(self, eyes: Eyes, jobs: Jobs) -> None:
        self._eyes = eyes
        self._jobs = jobs
        self._released: dict[Any, datetime] = {}

    def nodes(self, changed: Iterable[Pair]) -> None:
        for old, row in changed:
            if old is None:
                continue
            if old["wanted"] == Wanted.HELD and row["wanted"] != Wanted.HELD:
                self._released[row["id"]] = self._eyes.now
            if old["gate"] != row["gate"]:
                self._eyes.saw(f"gate: {old['gate']} -> {row['gate']}")
                self._eyes.world.turning(kills=0.25)
                if row["gate_why"]:
                    self._eyes.saw(f"gate why: {row['gate_why']}")
                self._moved(old, row)
            if old["cloud_status"] != row["cloud_status"]:
                self._eyes.saw(f"cloud: {row['cloud_status']}")

    def attempts(self, changed: Iterable[Pair]) -> None:
        """Whoever's job is taken back at max uptime was told before, and had time to give it."""
        for old, row in changed:
            ended = old is not None and old["outcome"] == AttemptOutcome.RUNNING
            if not ended or row["outcome"] != AttemptOutcome.RELEASED:
                continue
            if not (self._eyes.exact and self._eyes.by_a_controller()):
                continue
            self._eyes.saw("a job was taken back at max uptime")
            rules, node = self._eyes.world.rules, self._eyes.node(row["node_id"])
            told = node["gate"] == Gate.DRAINING and node["gate_why"] == _TOLD
            since = node["gate_since"] or self._eyes.now
            self._eyes.require(
                told and self._eyes.now - since >= seconds(rules.stop + rules.lease),
                "a job was taken back from a node that had no time to give it back",
            )

    def ticked(self) -> None:
        self._nobody_idles_for_long()
        self._nobody_works_for_long()

    # ------------------------------------------------------------------------------------ moves

    def _moved(self, old: Row, row: Row) -> None:
        now, world = self._eyes.now, self._eyes.world
        if row["gate"] == Gate.STOPPING:
            busy = self._eyes.running(row["id"])
            self._eyes.require(not busy, "a node with a job went past the point of no return")
            if old["gate"] == Gate.DRAINING and row["gate_why"] == "idle":
                self._nobody_waited(row, now)
        if row["gate"] != Gate.DRAINING:
            return
        if row["gate_why"] in _SILENCE and self._eyes.exact:
            self._eyes.site_is_settled(
                "a node was drained although the site has not been up for as long as a lease"
            )
        if row["gate_why"] == "idle":
            self._eyes.require(
                now - self._idle_since(row, now) >= seconds(world.rules.shortest_idle),
                "a node was put to sleep before it had been idle for long enough",
            )

    def _idle_since(self, row: Row, now: datetime) -> datetime:
        mine = self._eyes.some(Attempt, "node_id", row["id"])
        ended = [one["ended_at"] or now for one in mine]
        return max((at for at in (*ended, row["ready_at"]) if at is not None), default=now)

    def _nobody_waited(self, row: Row, now: datetime) -> None:
        """Demand is looked at again between the drain and the point of no return."""
        world = self._eyes.world
        process = world.current
        began = now if process is None else world.at(process.began)
        host = world.hosts[row["name"]]
        fresh = row["worker_seen_at"] is not None and row["worker_state"] == "ready"
        if host.worker is None or not fresh or row["parked"]:
            return
        heard = now - row["worker_seen_at"] <= seconds(world.rules.heartbeat * 2)
        quarantined = row["quarantined_until"] is not None and row["quarantined_until"] > began
        waited = [
            job
            for job in self._waiting(row["name"])
            if self._jobs.queued_since.get(job["id"], now) < began
        ]
        self._eyes.require(
            not waited or not heard or quarantined, "a node stops although work waits that it takes"
        )

    def _waiting(self, name: str) -> Iterator[Row]:
        """Jobs that this node would certainly be given."""
        world = self._eyes.world
        kinds = world.kinds_of(world.hosts[name])
        for job in self._eyes.queued():
            spendable = not world.rules.budget or job["priority"] >= URGENT
            if job["kind"] in kinds and spendable:
                yield job

    # -------------------------------------------------------------------------------- how long

    def _nobody_idles_for_long(self) -> None:
        """While all is calm, a node that has nothing to do is asked to shelve in time."""
        world, now = self._eyes.world, self._eyes.now
        rules = world.rules
        limit = rules.longest_idle + rules.stop + rules.lease + 4 * rules.tick + 2 * rules.heartbeat
        if not self._eyes.calm_for(limit):
            return
        busy = {row["node_id"] for row in self._eyes.running()}
        waiting = {job["kind"] for job in self._eyes.queued()}
        late = []
        for row in self._eyes.rows(Node).values():
            host, server = world.hosts[row["name"]], world.server(row["name"])
            if row["id"] in busy or row["wanted"] == Wanted.HELD or server.locked:
                continue
            if waiting & set(world.kinds_of(host)):
                continue
            if server.status is not CloudStatus.ACTIVE or server.task or row["ready_at"] is None:
                continue
            if host.cut or host.worker is None or row["worker_state"] != "ready":
                continue
            since = max(t for t in (row["ready_at"], row["busy_until"]) if t is not None)
            since = max(since, self._released.get(row["id"], since))
            if (now - since).total_seconds() > limit:
                late.append(f"{row['name']} has been idle since {since} and is not put to sleep")
        self._eyes.require(len(late) <= rules.keep_warm, "; ".join(late))

    def _nobody_works_for_long(self) -> None:
        """While all is calm, a job is over, or was given back, soon after max uptime."""
        world, now = self._eyes.world, self._eyes.now
        rules = world.rules
        grace = rules.stop + rules.lease + 4 * rules.tick
        if not self._eyes.calm_for(2 * grace):
            return
        for attempt in self._eyes.running():
            row = self._eyes.node(attempt["node_id"])
            server = world.server(row["name"])
            if row["awake_since"] is None or row["wanted"] == Wanted.HELD or server.locked:
                continue
            if server.status is not CloudStatus.ACTIVE or server.task:
                continue
            free_since = max(row["awake_since"], self._freed(row))
            self._eyes.require(
                now - row["awake_since"] <= seconds(rules.max_uptime + grace)
                or now - free_since <= seconds(grace),
                f"{row['name']} has a job, and has been awake for longer than it may",
            )

    def _freed(self, row: Row) -> datetime:
        """Since when the fleet may drain it again."""
        never: datetime = row["awake_since"] - timedelta(days=1)
        return self._released.get(row["id"], never)

"""What must hold whatever happens, looked at after everything that does.

The numbers are those of the design's section 3, the letters those of the fleet's invariants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models

from orchestrator.models import Alert, Attempt, CloudOperation, Job, LedgerEntry, Node
from orchestrator.providers.port import ActionResult
from orchestrator.simulator.cloud import Billed, Server
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.stores import Change, Row
from orchestrator.states import (
    ACTIVE_JOB_STATES,
    JOB_TRANSITIONS,
    UNRESOLVED,
    AttemptOutcome,
    Cause,
    CloudStatus,
    Gate,
    JobState,
    OperationKind,
    OperationOutcome,
    Wanted,
)

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

Pair = tuple[Row | None, Row]

_SLEEPING = frozenset({CloudStatus.SHELVED_OFFLOADED, CloudStatus.DELETED})

_SETTLING = timedelta(minutes=3)
"""A ledger that has not been settled by then waits for something that will not come."""

_SAMPLE = 5
"""Ticks from one comparison of whole tables to the next."""

_REVIVED = (AttemptOutcome.EXPIRED, AttemptOutcome.RUNNING)

_WATCHED: tuple[type[models.Model], ...] = (Node, CloudOperation, Job, Attempt, LedgerEntry, Alert)


class Checks:
    """Compares rows with what they were, and with what the cloud really did."""

    def __init__(self, world: World) -> None:
        self.settling = False
        self._world = world
        self._known: dict[type[models.Model], Mapping[Any, Row]] = {}
        self._sampled = -1
        self._accepted: dict[Any, Any] = {}
        self._ticks: list[tuple[datetime, datetime]] = []
        self._queued_since: dict[Any, datetime] = {}
        self._released: dict[Any, datetime] = {}

    # ----------------------------------------------------------------------------- when to look

    def look(self) -> None:
        """Called after every commit."""
        news = self._world.place.news()
        if news:
            self._compare(_collapsed(news))

    def sample(self) -> None:
        """Where nobody writes changes down, whole tables are compared now and then."""
        place = self._world.place
        if place.news() is not None or self._sampled == self._world.ticks // _SAMPLE:
            return
        self._sampled = self._world.ticks // _SAMPLE
        found: list[Change] = []
        for model in _WATCHED:
            known, rows = self._known.get(model, {}), place.all(model)
            found += [
                (model, key, known.get(key), row)
                for key, row in rows.items()
                if known.get(key) != row
            ]
            self._known[model] = rows
        self._compare(found)

    def _compare(self, news: list[Change]) -> None:
        changed: dict[type[models.Model], list[Pair]] = {}
        for model, _, old, row in news:
            if row is not None:
                changed.setdefault(model, []).append((old, row))
        self._jobs(changed.get(Job, []))
        self._nodes(changed.get(Node, []))
        self._attempts(changed.get(Attempt, []))
        self._operations(changed.get(CloudOperation, []))
        self._agree(changed)
        if LedgerEntry in changed:
            self._ledgers({row["node_id"] for _, row in changed[LedgerEntry]})
        for old, row in changed.get(LedgerEntry, []):
            if old is None:
                self._saw(f"cause: {row['cause']}")
        for old, row in changed.get(Alert, []):
            if old is None:
                self._saw(f"alert: {row['kind']}")

    def ticked(self, began: datetime) -> None:
        """A controller has gone through a whole tick, and the cloud has answered."""
        self._ticks.append((began, self._world.now()))
        self._nobody_idles_for_long()

    # --------------------------------------------------------------------------------- the rows

    def jobs(self) -> Mapping[Any, Row]:
        return self._world.place.all(Job)

    def asleep(self) -> bool:
        """Whether nothing is to be done, however long one waits."""
        place, now = self._world.place, self._world.now()
        for one in self._world.cloud.servers.values():
            if one.task is not None or one.status not in _SLEEPING:
                return False
        for row in place.all(Node).values():
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
        if any(row["state"] in ACTIVE_JOB_STATES for row in place.all(Job).values()):
            return False
        if any(row["outcome"] in UNRESOLVED for row in place.all(CloudOperation).values()):
            return False
        return all(
            row["settled"] or (row["ended_at"] is not None and now - row["ended_at"] > _SETTLING)
            for row in place.all(LedgerEntry).values()
        )

    def at_rest(self) -> bool:
        """Nobody waits, nothing is billed, and the ledger says the same."""
        place, world = self._world.place, self._world
        gone = world.gone() == len(world.hosts)
        return (
            (gone or not any(r["state"] in ACTIVE_JOB_STATES for r in place.all(Job).values()))
            and all(
                one.status in (CloudStatus.SHELVED_OFFLOADED, CloudStatus.DELETED)
                and one.task is None
                for one in world.cloud.servers.values()
            )
            and all(row["ended_at"] is not None for row in place.all(LedgerEntry).values())
            and not any(row["outcome"] in UNRESOLVED for row in place.all(CloudOperation).values())
            and all(
                row["wanted"] == Wanted.ASLEEP or row["cloud_status"] == CloudStatus.DELETED
                for row in place.all(Node).values()
            )
        )

    def describe(self) -> Iterator[str]:
        place = self._world.place
        for row in place.all(Job).values():
            if row["state"] in ACTIVE_JOB_STATES:
                yield f"job {str(row['id'])[:8]} {row['state']}, not before {row['not_before']}"
        for row in place.all(Node).values():
            server = self._world.server(row["name"])
            yield (
                f"{row['name']}: wanted {row['wanted']}, gate {row['gate']} ({row['gate_why']}), "
                f"cloud {row['cloud_status']}/{row['cloud_task']} "
                f"(really {server.status}/{server.task}), worker {row['worker_state']}, "
                f"failures {row['failures']}, not before {row['not_before']}"
            )
        for row in list(place.all(CloudOperation).values())[-6:]:
            yield f"operation {row['kind']} {row['outcome']} {row['reason']} {row['intended_at']}"
        for row in list(place.all(LedgerEntry).values())[-8:]:
            yield f"ledger {row['cause']} {row['started_at']} to {row['ended_at']}"

    # ---------------------------------------------------------------------------------- (1), (b)

    def _jobs(self, changed: list[Pair]) -> None:
        for old, row in changed:
            if row["state"] == JobState.QUEUED and (old is None or old["state"] != row["state"]):
                self._queued_since[row["id"]] = max(self._world.now(), row["not_before"])
            if old is None or old["state"] == row["state"]:
                if old is not None and old["state"] not in ACTIVE_JOB_STATES:
                    self._require(old["result"] == row["result"], "an accepted result has changed")
                continue
            self._saw(f"job: {old['state']} -> {row['state']}")
            if row["state"] == JobState.FAILED:
                self._saw(f"job failed: {row['reason']}")
            self._require(
                self._sampled >= 0
                or JobState(row["state"]) in JOB_TRANSITIONS[JobState(old["state"])],
                f"a job went from {old['state']} to {row['state']}",
            )

    def _attempts(self, changed: list[Pair]) -> None:
        nodes = self._world.place.all(Node)
        for old, row in changed:
            before = None if old is None else old["outcome"]
            if before == row["outcome"]:
                continue
            if before is not None:
                self._saw(f"attempt: {before} -> {row['outcome']}")
                self._require(
                    self._sampled >= 0
                    or before == AttemptOutcome.RUNNING
                    or (before, row["outcome"]) == _REVIVED,
                    f"an attempt that was {before} became {row['outcome']}",
                )
            if row["outcome"] == AttemptOutcome.RUNNING:
                node = nodes[row["node_id"]]
                gate = node["gate"]
                shut = gate != Gate.OPEN or node["parked"]
                closed = gate == Gate.STOPPING or (before is None and shut)
                # Where rows are looked at now and then only, the gate may have closed since.
                self._require(
                    self._sampled >= 0 or not closed,
                    f"a node took work although its gate was {gate}",
                )
            if row["outcome"] == AttemptOutcome.SUCCEEDED:
                first = self._accepted.setdefault(row["job_id"], row["id"])
                self._require(first == row["id"], "two results of one job were accepted")
                result = self.jobs()[row["job_id"]]["result"]
                self._require(
                    result is not None and result["attempt"] == row["number"],
                    "the result that was kept is another attempt's",
                )

    def _agree(self, changed: dict[type[models.Model], list[Pair]]) -> None:
        """A running job has one running attempt, a succeeded one a succeeded attempt."""
        touched = {row["id"] for _, row in changed.get(Job, [])}
        touched |= {row["job_id"] for _, row in changed.get(Attempt, [])}
        if not touched:
            return
        counts: dict[Any, list[int]] = {key: [0, 0] for key in touched}
        for row in self._world.place.all(Attempt).values():
            if row["job_id"] in counts:
                counts[row["job_id"]][0] += row["outcome"] == AttemptOutcome.RUNNING
                counts[row["job_id"]][1] += row["outcome"] == AttemptOutcome.SUCCEEDED
        rows = self.jobs()
        for key, (running, succeeded) in counts.items():
            state = rows[key]["state"]
            self._require(
                running == (state == JobState.RUNNING), f"a {state} job has {running} running tries"
            )
            self._require(
                succeeded == (state == JobState.SUCCEEDED),
                f"a {state} job has {succeeded} accepted results",
            )

    # ---------------------------------------------------------------------------------- (3), (a)

    def posted(self, server: Server, server_id: str, kind: OperationKind) -> None:
        """The cloud gets a request, at this moment."""
        place, now = self._world.place, self._world.now()
        self._world.note(f"{self._who()} asks to {kind} {server.name}")
        node = next(r for r in place.all(Node).values() if r["server_id"] == server_id)
        operations = [r for r in place.all(CloudOperation).values() if r["node_id"] == node["id"]]
        self._read_before_again(server, operations, kind)
        intended = any(r["outcome"] in UNRESOLVED and r["kind"] == kind for r in operations)
        self._require(intended, f"a request to {kind} came that nobody stands for any more")
        latest = max(r["send_by"] for r in operations if r["outcome"] in UNRESOLVED)
        self._require(
            now <= latest + timedelta(seconds=self._world.rules.call),
            f"a request to {kind} came after the time in which it might be made",
        )
        if kind is OperationKind.UNSHELVE:
            self._backs_off(node, operations, now)
            return
        held = [
            row
            for row in place.all(Attempt).values()
            if row["node_id"] == node["id"]
            and row["outcome"] == AttemptOutcome.RUNNING
            and row["lease_until"] >= now
        ]
        self._require(not held, "a node with a live lease is shelved")
        self._require(node["gate"] == Gate.STOPPING, "a node with an open gate is shelved")

    def _read_before_again(
        self, server: Server, operations: list[Row], kind: OperationKind
    ) -> None:
        """(4): after a request whose answer nobody noted, the list of actions is read first."""
        ours = [action for action in server.actions if not action.foreign]
        if server.list_read_after or not ours:
            return
        noted = {row["request_id"] for row in operations}
        last = ours[-1]
        self._require(
            last.kind is not kind or last.request_id in noted,
            f"a request to {kind} was repeated without having read the list of actions",
        )

    def _backs_off(self, node: Row, operations: list[Row], now: datetime) -> None:
        failed = [
            row["resolved_at"]
            for row in operations
            if row["kind"] == OperationKind.UNSHELVE and row["outcome"] == OperationOutcome.FAILED
        ]
        last = max(failed, default=None)
        self._require(
            last is None or now - last >= timedelta(seconds=55),
            f"{node['name']} was woken again right after it could not be woken",
        )

    def _operations(self, changed: list[Pair]) -> None:
        for old, row in changed:
            if old is None or old["outcome"] != row["outcome"]:
                self._world.turning()
            if old is not None and old["outcome"] != row["outcome"]:
                self._saw(f"operation: {row['kind']} {old['outcome']} -> {row['outcome']}")
                if row["reason"]:
                    self._saw(f"operation: {row['kind']} {row['reason']}")
                if row["outcome"] == OperationOutcome.SUCCEEDED:
                    self._really_succeeded(row)

    def _really_succeeded(self, row: Row) -> None:
        """(5): what is believed to have worked has worked, or its goal was reached otherwise."""
        server = self._world.cloud.servers[self._node(row["node_id"])["server_id"]]
        action = next((a for a in server.actions if a.request_id == row["request_id"]), None)
        if action is None or action.result is ActionResult.OK:
            return
        goal = (
            CloudStatus.ACTIVE
            if row["kind"] == OperationKind.UNSHELVE
            else CloudStatus.SHELVED_OFFLOADED
        )
        later = server.actions[-1] is not action
        self._require(
            self._node(row["node_id"])["cloud_status"] == goal and (server.status is goal or later),
            f"a request to {row['kind']} that failed is believed to have worked",
        )

    def _nodes(self, changed: list[Pair]) -> None:
        for old, row in changed:
            if old is None:
                continue
            if old["wanted"] == Wanted.HELD and row["wanted"] != Wanted.HELD:
                self._released[row["id"]] = self._world.now()
            if old["gate"] != row["gate"]:
                self._saw(f"gate: {old['gate']} -> {row['gate']}")
                self._world.turning()
                if row["gate_why"]:
                    self._saw(f"gate why: {row['gate_why']}")
                self._gate_moved(old, row)
            if old["cloud_status"] != row["cloud_status"]:
                self._saw(f"cloud: {row['cloud_status']}")

    def _gate_moved(self, old: Row, row: Row) -> None:
        now = self._world.now()
        if row["gate"] == Gate.STOPPING:
            busy = [
                a
                for a in self._world.place.all(Attempt).values()
                if a["node_id"] == row["id"] and a["outcome"] == AttemptOutcome.RUNNING
            ]
            self._require(not busy, "a node with a job went past the point of no return")
            if old["gate"] == Gate.DRAINING and row["gate_why"] == "idle":
                self._nobody_waited(row, now)
        if row["gate"] == Gate.DRAINING and row["gate_why"] == "idle":
            ended = [
                a["ended_at"] or now
                for a in self._world.place.all(Attempt).values()
                if a["node_id"] == row["id"]
            ]
            last = max((at for at in (*ended, row["ready_at"]) if at is not None), default=now)
            self._require(
                now - last >= timedelta(seconds=self._world.rules.idle),
                "a node was put to sleep before it had been idle for long enough",
            )

    def _nobody_waited(self, row: Row, now: datetime) -> None:
        """(3): demand is looked at again between the drain and the point of no return."""
        process = self._world.current
        began = now if process is None else self._world.at(process.began)
        worker = self._world.hosts[row["name"]].worker
        fresh = row["worker_seen_at"] is not None and row["worker_state"] == "ready"
        if worker is None or not fresh or row["parked"]:
            return
        heard = now - row["worker_seen_at"] <= timedelta(seconds=self._world.rules.heartbeat * 2)
        quarantined = row["quarantined_until"] is not None and row["quarantined_until"] > began
        waited = [
            key
            for key, job in self.jobs().items()
            if job["state"] == JobState.QUEUED and self._queued_since.get(key, now) < began
        ]
        self._require(
            not waited or not heard or quarantined, "a node stops although work waits that it takes"
        )

    def _nobody_idles_for_long(self) -> None:
        """(3): while all is calm, a node that has nothing to do is asked to shelve in time."""
        world = self._world
        rules, now = world.rules, world.now()
        limit = rules.idle + rules.stop + rules.lease + 4 * rules.tick + 2 * rules.heartbeat
        if world.seconds - world.calm_since < limit or rules.keep_warm or not world.site_up:
            return
        busy = {
            row["node_id"]
            for row in world.place.all(Attempt).values()
            if row["outcome"] == AttemptOutcome.RUNNING
        }
        waiting = any(r["state"] == JobState.QUEUED for r in self.jobs().values())
        for row in world.place.all(Node).values():
            host = world.hosts[row["name"]]
            server = world.server(row["name"])
            if row["id"] in busy or waiting or row["wanted"] == Wanted.HELD or server.locked:
                continue
            if server.status is not CloudStatus.ACTIVE or server.task or row["ready_at"] is None:
                continue
            if host.cut or host.worker is None or row["worker_state"] != "ready":
                continue
            since = max(t for t in (row["ready_at"], row["busy_until"]) if t is not None)
            since = max(since, self._released.get(row["id"], since))
            self._require(
                (now - since).total_seconds() <= limit,
                f"{row['name']} has been idle since {since} and is not put to sleep",
            )

    # ---------------------------------------------------------------------------------- (6), (h)

    def _ledgers(self, nodes: set[UUID]) -> None:
        rules = self._world.rules
        longest = timedelta(seconds=rules.idle + rules.tick + 0.001)
        entries = self._world.place.all(LedgerEntry).values()
        for node in nodes:
            mine = sorted(
                (row for row in entries if row["node_id"] == node),
                key=lambda row: (row["started_at"], row["ended_at"] is None, row["ended_at"]),
            )
            for row in mine:
                if row["cause"] == Cause.IDLE and row["ended_at"] is not None:
                    self._require(
                        row["ended_at"] - row["started_at"] <= longest or rules.keep_warm > 0,
                        "a node idled for longer than it may, and it is not called a failure",
                    )
            for one, two in pairwise(mine):
                if one["ended_at"] is None or one["ended_at"] > two["started_at"]:
                    both = f"{_stretch(one)} and {_stretch(two)}"
                    self._require(False, f"two stretches of the ledger overlap: {both}")

    def in_the_end(self) -> None:
        """After it has all come to rest: ours is the cloud's own record."""
        for host in self._world.hosts.values():
            server = self._world.cloud.servers[host.server_id]
            mine = [
                row
                for row in self._world.place.all(LedgerEntry).values()
                if row["node_id"] == host.pk
            ]
            # Of a server that was deleted the cloud has no notes any more.
            known = server.billed if server.status is not CloudStatus.DELETED else []
            for stretch in known:
                self._accounted(host.name, stretch, mine)
            for row in mine:
                self._was_billed(host.name, row, server)

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
        self._require(
            missing <= unseen + timedelta(seconds=1),
            f"{missing} of {name}'s billed time from {stretch.start} to {stretch.end} has no cause",
        )

    def _was_billed(self, name: str, row: Row, server: Server) -> None:
        """Nothing is written down that was not billed, but for what was seen late."""
        start, end = row["started_at"], row["ended_at"]
        for stretch in server.billed:
            if stretch.end is not None and stretch.start <= end and start <= stretch.end:
                late = self._seen_after(stretch.end) - stretch.end
                if row["settled"] and not stretch.foreign:
                    late = timedelta(seconds=1)
                start = max(start, min(end, stretch.end + late))
        if server.status is CloudStatus.DELETED:
            # The cloud has no notes of it any more: what was seen late stays as it was seen.
            return
        early = timedelta(seconds=self._world.rules.tick + 2 * self._world.rules.call)
        left = end - start
        self._require(
            left <= max(early, timedelta(seconds=60)),
            f"{left} of {name} are in the ledger ({row['cause']} until {end}) and were not billed",
        )

    def _seen_after(self, moment: datetime) -> datetime:
        """When a whole tick that began after it had ended."""
        return next((end for began, end in self._ticks if began >= moment), self._world.now())

    def _node(self, key: UUID) -> Row:
        return self._world.place.all(Node)[key]

    def _who(self) -> str:
        return self._world.current.name if self._world.current is not None else "somebody"

    def _saw(self, what: str) -> None:
        self._world.seen[what] += 1

    def _require(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise Violation(f"{sentence}\n{self._world.describe()}")


def _stretch(row: Row) -> str:
    return f"{row['cause']} {row['started_at']:%H:%M:%S.%f} to {row['ended_at']}"


def _collapsed(news: list[Change]) -> list[Change]:
    """One change for each row: a transaction counts as a whole."""
    first: dict[tuple[type[models.Model], Any], Change] = {}
    for model, key, old, new in news:
        known = first.get((model, key))
        first[model, key] = (model, key, old if known is None else known[2], new)
    return list(first.values())

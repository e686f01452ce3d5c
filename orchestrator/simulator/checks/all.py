"""Compares rows with what they were, and hands what has changed to whoever knows about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models

from orchestrator.models import Alert, Attempt, CloudOperation, FleetState, Job, LedgerEntry, Node
from orchestrator.simulator.checks.causes import Causes
from orchestrator.simulator.checks.eyes import Eyes, Pair
from orchestrator.simulator.checks.gates import Gates
from orchestrator.simulator.checks.jobs import Jobs
from orchestrator.simulator.checks.ledger import Ledger
from orchestrator.simulator.checks.losses import Losses
from orchestrator.simulator.checks.money import Money
from orchestrator.simulator.checks.requests import Requests
from orchestrator.simulator.checks.rest import Rest
from orchestrator.simulator.checks.wakings import Wakings
from orchestrator.simulator.servers import Server
from orchestrator.simulator.stores import Change, Row
from orchestrator.states import OperationKind

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

_SAMPLE = 5
"""Ticks from one comparison of whole tables to the next."""

_WATCHED: tuple[type[models.Model], ...] = (Node, CloudOperation, Job, Attempt, LedgerEntry, Alert)


class Checks:
    """All of them. `settling`: everything was put right, and has to come to its end."""

    def __init__(self, world: World) -> None:
        self.settling = False
        self._world = world
        self._known: dict[type[models.Model], Mapping[Any, Row]] = {}
        self._sampled = -1
        eyes = self._eyes = Eyes(world)
        self._jobs = Jobs(eyes)
        self._gates = Gates(eyes, self._jobs)
        self._losses = Losses(eyes)
        self._requests = Requests(eyes)
        self._wakings = Wakings(eyes)
        self._ledger = Ledger(eyes)
        self._causes = Causes(eyes)
        self._money = Money(eyes)
        self._rest = Rest(eyes)

    # ----------------------------------------------------------------------------- when to look

    def look(self) -> None:
        """Called after every commit."""
        news = self._world.place.news()
        if news:
            self._compare(_collapsed(news))

    def sample(self) -> None:
        """Where nobody writes changes down, whole tables are compared now and then."""
        place = self._world.place
        if place.writes_down or self._sampled == self._world.ticks // _SAMPLE:
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

    def ticked(self, began: datetime) -> None:
        """A controller has gone through a whole tick, and the cloud has answered."""
        self._ledger.ticked(began)
        self._gates.ticked()
        whole = next(iter(self._world.place.all(FleetState).values()), None)
        # Whoever was superseded has ended early, without a look at what is written down.
        if whole is not None and whole["ticked_at"] is not None and whole["ticked_at"] >= began:
            self._causes.ticked(began)

    def posted(self, server: Server, server_id: str, kind: OperationKind) -> None:
        """The cloud gets a request, at this moment."""
        self._requests.posted(server, server_id, kind, self._world.asked_at)

    def was_accepted(self, tried: tuple[str, int] | None) -> bool:
        """Whether this attempt's result is the job's already."""
        return tried is not None and self._jobs.was_accepted(*tried)

    def refused(self, accepted: bool) -> None:
        """A request was: `accepted` says whether it was one that had been taken before."""
        self._eyes.require(not accepted, "the accepted result was sent again, and refused")

    def jobs(self) -> Mapping[Any, Row]:
        return self._world.place.all(Job)

    def rested(self) -> None:
        """It has all come to rest."""
        self._jobs.in_the_end()

    def in_the_end(self) -> None:
        """After it has all come to rest: ours is the cloud's own record."""
        self._ledger.in_the_end()

    def unsettled(self) -> list[str]:
        return self._ledger.unsettled()

    def asleep(self) -> bool:
        return self._rest.asleep()

    def at_rest(self) -> bool:
        return self._rest.at_rest()

    def describe(self) -> Iterator[str]:
        return self._rest.describe()

    # ------------------------------------------------------------------------------- who looks

    def _compare(self, news: list[Change]) -> None:
        changed: dict[type[models.Model], list[Pair]] = {}
        for model, _, old, row in news:
            if row is not None:
                changed.setdefault(model, []).append((old, row))
        jobs, attempts = changed.get(Job, ()), changed.get(Attempt, ())
        nodes, entries = changed.get(Node, ()), changed.get(LedgerEntry, ())
        self._jobs.jobs(jobs)
        self._gates.nodes(nodes)
        self._requests.nodes(nodes)
        if attempts:
            self._jobs.attempts(attempts)
            self._gates.attempts(attempts)
            self._losses.attempts(attempts)
            self._money.attempts(attempts)
        if operations := changed.get(CloudOperation):
            self._requests.operations(operations)
            self._wakings.operations(operations)
        self._jobs.agree({row["id"] for _, row in jobs} | {row["job_id"] for _, row in attempts})
        if entries:
            self._ledger.entries(entries)
            self._causes.entries(entries)
        self._causes.alerts(changed.get(Alert, ()))


def _collapsed(news: list[Change]) -> list[Change]:
    """One change for each row: a transaction counts as a whole."""
    first: dict[tuple[type[models.Model], Any], Change] = {}
    for model, key, old, new in news:
        known = first.get((model, key))
        first[model, key] = (model, key, old if known is None else known[2], new)
    return list(first.values())

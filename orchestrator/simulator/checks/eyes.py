"""What every check looks with: the rows as they are, the world as it is, and where it says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models

from orchestrator.models import Attempt, Job, Node
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.stores import Row
from orchestrator.states import AttemptOutcome, JobState

if TYPE_CHECKING:
    from orchestrator.simulator.world import World

Pair = tuple[Row | None, Row]
"""A row before and after; None before it was there."""


class Eyes:
    """Reads behind everybody's back: nothing that is looked at here is a statement of anybody's."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def now(self) -> datetime:
        return self.world.now()

    @property
    def exact(self) -> bool:
        """Whether each commit is seen; else rows are compared now and then, and much lies
        between."""
        return self.world.place.writes_down

    def rows(self, model: type[models.Model]) -> Mapping[Any, Row]:
        return self.world.place.all(model)

    def some(self, model: type[models.Model], attname: str, value: Any) -> list[Row]:
        """The rows that have this value in a column that is looked for often."""
        return self.world.place.some(model, attname, value)

    def node(self, key: Any) -> Row:
        return self.rows(Node)[key]

    def running(self, node: Any = None) -> list[Row]:
        """The attempts that run, at a node or at all."""
        running = self.some(Attempt, "outcome", AttemptOutcome.RUNNING)
        return running if node is None else [row for row in running if row["node_id"] == node]

    def queued(self) -> list[Row]:
        return self.some(Job, "state", JobState.QUEUED)

    def calm_for(self, seconds: float) -> bool:
        """Whether nothing that excuses lateness has happened for so long."""
        world = self.world
        return world.site_up and world.seconds - world.calm_since >= seconds

    def at_once(self) -> bool:
        """Whether the process that acts has acted without standing still: what it saw is so."""
        process = self.world.current
        return process is None or process.began == self.world.seconds

    def site_is_settled(self, sentence: str) -> None:
        """Silence counts for nothing until the site has been up for as long as a lease."""
        self.require(self.world.site_up_for() >= self.world.rules.lease, sentence)

    def who(self) -> str:
        return self.world.current.name if self.world.current is not None else "somebody"

    def by_a_controller(self) -> bool:
        return self.who().startswith("controller")

    def saw(self, what: str) -> None:
        self.world.seen[what] += 1

    def require(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise Violation(f"{sentence}\n{self.world.describe()}")


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)

"""What arrivals of jobs would have cost under other idle limits: the real planner, nothing wrong.

A trace is a line for each job: seconds since the first one, seconds of GPU work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random

from orchestrator.ledger import seconds_by_cause, stretches
from orchestrator.models import CloudOperation, Job, LedgerEntry
from orchestrator.simulator.rules import Odds, Rules
from orchestrator.simulator.stores import InMemory
from orchestrator.simulator.surroundings import Bells, surroundings
from orchestrator.simulator.world import World
from orchestrator.states import Cause, OperationKind

PRICE_PER_HOUR = 82.76
"""Of an rtx4090-1.8.16.40 at immers.cloud, in RUB."""


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float
    work: float


@dataclass(frozen=True, slots=True)
class CameTo:
    """`billed` and `wait` are seconds; `wait` is the mean from submitting to claiming."""

    billed: float
    starts: int
    wait: float
    causes: tuple[tuple[Cause, float], ...]

    @property
    def cost(self) -> float:
        return self.billed / 3600 * PRICE_PER_HOUR

    def minutes(self) -> dict[Cause, float]:
        return dict(self.causes)


def read(file: Path) -> tuple[Arrival, ...]:
    """A trace from a file. Raises ValueError for a line that is none."""
    lines = (line.partition("#")[0].split(",") for line in file.read_text().splitlines())
    return tuple(Arrival(float(one[0]), float(one[1])) for one in lines if one != [""])


def write(arrivals: Iterable[Arrival], file: Path) -> None:
    lines = [f"{one.at:.1f},{one.work:.1f}" for one in arrivals]
    file.write_text("\n".join(["# seconds since the first, seconds of work", *lines, ""]))


def bursts(seed: int, days: int) -> tuple[Arrival, ...]:
    """Bursts of jobs by day, as the fleet's reference describes them; most days off are empty."""
    rng = Random(f"trace {seed}")  # noqa: S311  # it has to be repeatable
    found: list[Arrival] = []
    for day in range(days):
        if day % 7 > 4 and rng.random() < 0.7:
            continue
        for _ in range(rng.randint(1, 5)):
            at = day * 86_400 + rng.uniform(9, 20) * 3600
            for _ in range(1 + round(rng.expovariate(1 / 6))):
                found.append(Arrival(at, max(20.0, rng.lognormvariate(5.01, 0.8))))
                at += rng.lognormvariate(5.3, 1.1)
    found.sort(key=lambda one: one.at)
    first = found[0].at
    return tuple(replace(one, at=one.at - first) for one in found)


def replay(arrivals: Sequence[Arrival], idle: float, seed: int = 1) -> CameTo:
    """Live through a trace on one node with this idle limit, in seconds."""
    rules = Rules(idle=idle, tick=10.0, heartbeat=10.0, nodes=1)
    rng = Random(seed)  # noqa: S311  # it has to be repeatable
    place, bells = InMemory(), Bells()
    with place.open(), surroundings(seed, rules, bells):
        world = World(rng, place, rules, Odds(), bells)
        world.pass_time(60)
        began = world.seconds
        for arrival in arrivals:
            world.run_until(max(world.seconds, began + arrival.at))
            world.submit_work(arrival.work)
        world.settle(86_400.0)
        return _came_to(world)


def _came_to(world: World) -> CameTo:
    entries = stretches(LedgerEntry.objects.all())
    begin = min(one.start for one in entries)
    causes = seconds_by_cause(entries, begin, world.now())
    waits = [_wait(job.created_at, job.started_at) for job in Job.objects.all()]
    return CameTo(
        billed=sum(causes.values()),
        starts=CloudOperation.objects.filter(kind=OperationKind.UNSHELVE).count(),
        wait=sum(waits) / max(1, len(waits)),
        causes=tuple(causes.items()),
    )


def _wait(created: datetime, started: datetime | None) -> float:
    return 0.0 if started is None else (started - created).total_seconds()

"""Many seeds on several processes, planted bugs, and what was seen of all that can be."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from orchestrator.policy.alerts import AlertKind
from orchestrator.policy.steps import Why
from orchestrator.simulator.mutants import MUTANTS, Mutant
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.servers import Fault
from orchestrator.simulator.stores import InDatabase, InMemory, Place
from orchestrator.simulator.story import LEAST_TICKS, Told, tell
from orchestrator.states import (
    JOB_TRANSITIONS,
    AttemptOutcome,
    Cause,
    Gate,
    OperationKind,
)

_CHUNK = 20
"""Seeds that one process is given at a time."""


@dataclass(slots=True)
class Sum:
    """What many seeds came to."""

    seeds: int = 0
    jobs: int = 0
    faults: int = 0
    ticks: int = 0
    hours: float = 0.0
    cpu: float = 0.0
    fewest: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        self.seeds += 1
        self.jobs += told.jobs
        self.faults += told.faults
        self.ticks += told.ticks
        self.hours += told.hours
        self.seen += told.seen
        for name, value in (("jobs", told.jobs), ("faults", told.faults), ("ticks", told.ticks)):
            self.fewest[name] = min(self.fewest.get(name, value), value)

    def merge(self, other: Sum) -> None:
        fewest = {
            name: min(self.fewest.get(name, value), value) for name, value in other.fewest.items()
        }
        self.fewest = Counter(fewest)
        self.seeds += other.seeds
        self.jobs += other.jobs
        self.faults += other.faults
        self.ticks += other.ticks
        self.hours += other.hours
        self.cpu += other.cpu
        self.seen += other.seen
        self.broken |= other.broken


def one(seed: int, make: Callable[[], Place] = InMemory, least_ticks: int = LEAST_TICKS) -> Told:
    """A single seed. Raises Violation."""
    return tell(seed, make(), least_ticks=least_ticks)


def some(
    seeds: Iterable[int],
    make: Callable[[], Place] = InMemory,
    least_ticks: int = LEAST_TICKS,
) -> Sum:
    """Several seeds in this process; those that break a rule are noted."""
    # Little of what is made here is garbage in a circle.
    gc.set_threshold(200_000, 20, 100)
    total, began = Sum(), time.process_time()
    for seed in seeds:
        try:
            total.add(one(seed, make, least_ticks))
        except Violation as violation:
            total.seeds += 1
            total.broken[seed] = str(violation)
        except Exception as error:  # an exception that the orchestrator let out is a finding too
            total.seeds += 1
            total.broken[seed] = f"{type(error).__name__}: {error}"
    total.cpu = time.process_time() - began
    return total


def many(first: int, count: int, processes: int, prepare: Callable[[], None]) -> Sum:
    """Seeds `first` and on, shared by so many processes; `prepare` is called in each."""
    chunks = [
        range(start, min(start + _CHUNK, first + count))
        for start in range(first, first + count, _CHUNK)
    ]
    total = Sum()
    if processes == 1:
        for chunk in chunks:
            total.merge(some(chunk))
        return total
    with ProcessPoolExecutor(processes, initializer=prepare) as pool:
        for part in pool.map(some, chunks):
            total.merge(part)
    return total


@dataclass(frozen=True, slots=True)
class Hunt:
    """How a planted bug was found: by which seed, after how many, and what was broken."""

    mutant: Mutant
    tried: int
    seed: int | None
    sentence: str = ""


def hunts(limit: int, sound: Callable[[int], bool]) -> Iterator[Hunt]:
    """Plant each bug and look for it. `sound`: whether a seed holds without it."""
    for mutant in MUTANTS:
        yield _hunt(mutant, limit, sound)


def _hunt(mutant: Mutant, limit: int, sound: Callable[[int], bool]) -> Hunt:
    tried = 0
    for seed in range(limit):
        tried += 1
        planted = mutant.planted()
        try:
            with planted:
                one(seed)
        except Violation as violation:
            broken = str(violation).splitlines()[0]
        except Exception as error:  # it may break in its own way as well
            broken = f"{type(error).__name__}: {error}"
        else:
            continue
        if mutant.explains(broken) and sound(seed):
            return Hunt(mutant, tried, seed, broken)
    return Hunt(mutant, tried, None)


def in_the_database(seeds: Iterable[int], least_ticks: int) -> Sum:
    """The same on the tables that Django knows, with shorter histories."""
    return some(seeds, InDatabase, least_ticks)


def possible() -> dict[str, list[str]]:
    """What can be seen, by sort."""
    gates = [f"gate: {a} -> {b}" for a, b in _GATES]
    moves = [f"job: {old} -> {new}" for old, news in JOB_TRANSITIONS.items() for new in news]
    return {
        "gates": gates,
        "gate reasons": [f"gate why: {why}" for why in _DRAIN_REASONS],
        "operations": [
            f"operation: {kind} {end}"
            for kind in OperationKind
            for end in (
                "intended -> sent",
                "intended -> failed",
                "sent -> succeeded",
                "sent -> failed",
            )
        ],
        "operation reasons": [f"operation: {kind} {why}" for kind, why in _ENDS],
        "attempts": [
            *(f"attempt: running -> {o}" for o in AttemptOutcome if o != AttemptOutcome.RUNNING),
            "attempt: expired -> running",
        ],
        "jobs": sorted(set(moves) - {"job: queued -> failed"}),
        "causes": [f"cause: {cause}" for cause in Cause],
        "alerts": [f"alert: {kind}" for kind in AlertKind],
        "armed": [str(fault) for fault in Fault],
    }


_GATES = (
    (Gate.OPEN, Gate.DRAINING),
    (Gate.DRAINING, Gate.OPEN),
    (Gate.DRAINING, Gate.STOPPING),
    (Gate.STOPPING, Gate.OPEN),
)

_DRAIN_REASONS = (
    *(Why.IDLE, Why.PARKED, Why.NOT_RUNNING, Why.BOOT_TIMEOUT, Why.WORKER_SILENT),
    *(Why.WORKER_BROKEN, Why.WORKER_DEAF, Why.MAX_UPTIME, Why.QUARANTINE, Why.BUDGET),
)

_ENDS = (
    *((OperationKind.UNSHELVE, why) for why in (Why.DONE, Why.NO_CAPACITY, Why.BOOT_FAILED)),
    *((OperationKind.UNSHELVE, why) for why in (Why.IMAGE_LOST, Why.OPERATION_TIMEOUT)),
    *((OperationKind.UNSHELVE, why) for why in ("quota", "conflict", "auth", "locked")),
    *((OperationKind.SHELVE, why) for why in (Why.DONE, Why.OPERATION_FAILED)),
    *((OperationKind.SHELVE, why) for why in (Why.OPERATION_TIMEOUT, Why.NEVER_SENT)),
)


def coverage(seen: Counter[str]) -> Iterator[str]:
    """How much of what can be seen was seen, a line for each sort."""
    for sort, names in possible().items():
        if sort == "armed":
            continue
        missing = [name.partition(": ")[2] for name in names if not seen[name]]
        yield f"{sort}: {len(names) - len(missing)} of {len(names)}" + (
            f"; never: {', '.join(missing)}" if missing else ""
        )

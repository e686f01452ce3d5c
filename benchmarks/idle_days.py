"""Sixty invented days of one node, to see what the idle policy's knob buys: waits for billed time.

Unlike the families of `benchmarks.idle` these are jobs in a queue, with a boot and a shelving that
are billed and that jobs have to wait for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import log

from orchestrator.policy.idle import (
    REMEMBERED,
    Gap,
    IdlePolicy,
    IdleRules,
    Spell,
    gaps_of,
    idle_limit,
)

DAYS = 60
BOOT = 100.0
"""Billed seconds from the request until the worker is ready."""
SHELVING = 70.0
"""Billed seconds from the request until the server is offloaded."""

_START = datetime.fromisoformat("2026-09-07T00:00:00+00:00")
Limit = Callable[[Sequence[Gap]], timedelta]


@dataclass(frozen=True, slots=True)
class Job:
    """Seconds since the first midnight, and of the node's time."""

    submitted: float
    takes: float


@dataclass(frozen=True, slots=True)
class Bill:
    """Seconds, summed over all jobs and days."""

    busy: float = 0.0
    idle: float = 0.0
    waited: float = 0.0
    starts: int = 0
    jobs: int = 0

    @property
    def billed(self) -> float:
        return self.busy + self.idle + self.starts * (BOOT + SHELVING)

    def plus(self, other: Bill) -> Bill:
        return Bill(
            self.busy + other.busy,
            self.idle + other.idle,
            self.waited + other.waited,
            self.starts + other.starts,
            self.jobs + other.jobs,
        )


def jobs_of(seed: int, days: int = DAYS) -> list[Job]:
    """By the time of submission. One to five bursts a day, between 9 and 20 h; 70 % of the days of
    weekends are empty. A burst has 1 + exponential(mean 6) jobs, 200 s apart (the median;
    lognormal, sigma 1.1); a job takes 150 s (lognormal, sigma 0.8), at least 20 s."""
    dice = random.Random(f"days/{seed}")  # noqa: S311  # dice, no secret
    jobs: list[Job] = []
    for day in range(days):
        if day % 7 >= 5 and dice.random() < 0.7:
            continue
        for _ in range(dice.randint(1, 5)):
            start = day * 86400 + dice.uniform(9 * 3600, 20 * 3600)
            count = 1 + int(dice.expovariate(1 / 6))
            apart = [dice.lognormvariate(log(200), 1.1) for _ in range(count - 1)]
            jobs.extend(
                Job(at, max(20.0, dice.lognormvariate(log(150), 0.8)))
                for at in accumulate(apart, initial=start)
            )
    return sorted(jobs, key=lambda job: job.submitted)


def replay(jobs: Iterable[Job], limit_of: Limit) -> Bill:
    """One node, jobs in order, asleep at first. A job that comes while the node is being shelved
    waits for that, and then for the boot. What comes after the last job is left out."""
    idle = waited = busy = 0.0
    starts = done = 0
    free_at: float | None = None
    spells: list[Spell] = []
    for job in jobs:
        ready_at = max(job.submitted, free_at or 0.0)
        if free_at is None:
            starts, ready_at = starts + 1, job.submitted + BOOT
        elif job.submitted > free_at:
            began = _START + timedelta(seconds=free_at)
            limit = limit_of(gaps_of(spells, began)).total_seconds()
            spells.append(Spell(began, _START + timedelta(seconds=job.submitted)))
            spells = spells[-REMEMBERED:]
            idle += min(limit, job.submitted - free_at)
            if job.submitted - free_at > limit:
                offloaded = free_at + limit + SHELVING
                starts, ready_at = starts + 1, max(job.submitted, offloaded) + BOOT
        waited += ready_at - job.submitted
        free_at = ready_at + job.takes
        busy, done = busy + job.takes, done + 1
    return Bill(busy, idle, waited, starts, done)


def fixed(minutes: float) -> Limit:
    limit = timedelta(minutes=minutes)
    return lambda _gaps: limit


def adaptive(cold_wait_minutes: float) -> Limit:
    rules = IdleRules(IdlePolicy.ADAPTIVE, cold_wait=timedelta(minutes=cold_wait_minutes))
    return lambda gaps: idle_limit(gaps, rules)


def over_seeds(seeds: Iterable[int], limit_of: Limit) -> Bill:
    total = Bill()
    for seed in seeds:
        total = total.plus(replay(jobs_of(seed), limit_of))
    return total

"""What the idle policy costs on families of gaps, beside fixed limits: `make bench-idle`.

Exits with 1 when a bar of ours is broken. Costs are minutes of rent: a gap costs the part of it
that the node is awake, and a cold start (FLEET_COLD_WAIT_MINUTES) when it outlasts the limit. At
each gap the policy knows those before it, and no others.
"""

from __future__ import annotations

import argparse
import sys
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.idle_days import adaptive, fixed, over_seeds
from benchmarks.idle_families import PROFILES, Family, Profile
from orchestrator.policy.idle import REMEMBERED, Gap, IdlePolicy, IdleRules, idle_limit

COLD_WAIT = 5.0
KNOBS = (2.8, 5.0, 8.0, 10.0, 15.0, 30.0)
"""2.8 minutes are the boot and the shelving alone."""
SHORTEST, LONGEST = 2.0, 15.0
FIXED = (2.0, 5.0, 10.0, 15.0)

MOST_OVER_BEST = 1.05
"""Of the best fixed limit, which is chosen anew for each seed when it is over."""
MOST_OVER_LONGEST = 0.85
"""Of fixed 15 minutes, on the families below."""
SAVING = frozenset({Family.BURSTS, Family.BIMODAL})

SEEDS = 10
_WIDTH = 200
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Costs:
    """In minutes of rent, of some gaps. `best`: the best fixed limit of each seed, in hindsight."""

    gaps: int
    fixed: tuple[float, ...]
    best: float
    adaptive: float
    clairvoyant: float
    worst_seed: float = 1.0
    """Adaptive over best, in the seed where that is most."""

    @property
    def over_best(self) -> float:
        return self.adaptive / self.best

    @property
    def over_longest(self) -> float:
        return self.adaptive / self.fixed[-1]


def cost(gap: float, limit: float, cold_wait: float) -> float:
    """Of one gap, in minutes of rent."""
    return gap if gap <= limit else limit + cold_wait


def fixed_cost(gaps: Iterable[float], limit: float, cold_wait: float) -> float:
    return sum(cost(gap, limit, cold_wait) for gap in gaps)


def best_fixed(gaps: Sequence[float], cold_wait: float) -> float:
    """The cost under the limit between the bounds that is best in hindsight.

    Between two gaps a longer limit only costs more, so it is the lower bound or one of the gaps.
    """
    ordered = sorted(gaps)
    sums = [0.0, *accumulate(ordered)]

    def total(limit: float) -> float:
        within = bisect_right(ordered, limit)
        return sums[within] + (len(ordered) - within) * (limit + cold_wait)

    return min(total(limit) for limit in (SHORTEST, *ordered) if SHORTEST <= limit <= LONGEST)


def adaptive_cost(gaps: Sequence[float], rules: IdleRules) -> float:
    """Each gap under the limit that was learned from those before it."""
    worth = rules.cold_wait / _MINUTE
    seen: list[Gap] = []
    total = 0.0
    for gap in gaps:
        limit = idle_limit(seen, rules)
        total += cost(gap, limit / _MINUTE, worth)
        # What says nothing or is forgotten is not kept: the policy would leave it out itself.
        if gap > SHORTEST:
            seen = [*seen, Gap(gap * _MINUTE)][-REMEMBERED:]
    return total


def clairvoyant_cost(gaps: Iterable[float], cold_wait: float) -> float:
    """Of one who knows when work comes: to sleep at once, or not at all."""
    return sum(min(gap, cold_wait) for gap in gaps)


def measure(profile: Profile, seeds: Iterable[int], rules: IdleRules) -> Costs:
    worth = rules.cold_wait / _MINUTE
    return together(_of_seed(profile.gaps(seed), rules, worth) for seed in seeds)


def _of_seed(gaps: Sequence[float], rules: IdleRules, worth: float) -> Costs:
    best, adaptive = best_fixed(gaps, worth), adaptive_cost(gaps, rules)
    return Costs(
        gaps=len(gaps),
        fixed=tuple(fixed_cost(gaps, limit, worth) for limit in FIXED),
        best=best,
        adaptive=adaptive,
        clairvoyant=clairvoyant_cost(gaps, worth),
        worst_seed=adaptive / best,
    )


def together(parts: Iterable[Costs]) -> Costs:
    """The sum of all, and the worst seed of any."""
    some = list(parts)
    return Costs(
        gaps=sum(one.gaps for one in some),
        fixed=tuple(map(sum, zip(*(one.fixed for one in some), strict=True))),
        best=sum(one.best for one in some),
        adaptive=sum(one.adaptive for one in some),
        clairvoyant=sum(one.clairvoyant for one in some),
        worst_seed=max(one.worst_seed for one in some),
    )


def broken(results: Sequence[tuple[Profile, Costs]]) -> list[str]:
    """The bars that are not held, in words. Every row has to hold them."""
    said = []
    for profile, costs in results:
        name = f"{profile.family}, {profile.name}"
        if costs.over_best > MOST_OVER_BEST:
            said.append(f"{name}: {costs.over_best:.3f} of the best fixed limit")
        if profile.family in SAVING and costs.over_longest > MOST_OVER_LONGEST:
            said.append(f"{name}: {costs.over_longest:.3f} of fixed {LONGEST:.0f} minutes")
    return said


def table(results: Sequence[tuple[Profile, Costs]], seeds: int) -> Table:
    """All of them, as Markdown too: minutes of rent per gap, and ratios."""
    drawn = Table(box=box.MARKDOWN)
    drawn.add_column("family", no_wrap=True)
    drawn.add_column("gaps, minutes", no_wrap=True)
    for name in (
        "seeds x gaps",
        *(f"fixed {limit:.0f}" for limit in FIXED),
        "best fixed",
        "adaptive",
        "/ best",
        "worst seed",
        f"/ {LONGEST:.0f}",
        "clairvoyant",
    ):
        drawn.add_column(name, justify="right", no_wrap=True)
    for profile, costs in results:
        drawn.add_row(profile.family, profile.name, *_figures(costs, seeds))
    worst_fixed = [
        max(costs.fixed[number] / costs.best for _, costs in results)
        for number in range(len(FIXED))
    ]
    worst = max(costs.over_best for _, costs in results)
    ratios = [f"x{ratio:.2f}" for ratio in worst_fixed]
    drawn.add_row("worst of all", "", "", *ratios, "", "", f"{worst:.3f}", "", "", "")
    return drawn


def _figures(costs: Costs, seeds: int) -> tuple[str, ...]:
    def per_gap(total: float) -> str:
        return f"{total / costs.gaps:.2f}"

    return (
        f"{seeds} x {costs.gaps / seeds:.0f}",
        *map(per_gap, costs.fixed),
        per_gap(costs.best),
        per_gap(costs.adaptive),
        f"{costs.over_best:.3f}",
        f"{costs.worst_seed:.3f}",
        f"{costs.over_longest:.3f}",
        per_gap(costs.clairvoyant),
    )


def days_table(seeds: int) -> Table:
    """Sixty days of a node with a boot and a shelving, under fixed limits and several knobs."""
    drawn = Table(box=box.MARKDOWN)
    drawn.add_column("sixty days", no_wrap=True)
    for name in ("billed, h", "idle, h", "cold starts", "mean wait, s"):
        drawn.add_column(name, justify="right", no_wrap=True)
    limits = {f"fixed {minutes:.0f}": fixed(minutes) for minutes in FIXED}
    limits |= {f"adaptive, cold wait {worth:g}": adaptive(worth) for worth in KNOBS}
    for name, limit in limits.items():
        bill = over_seeds(range(1, seeds + 1), limit)
        drawn.add_row(
            name,
            f"{bill.billed / 3600 / seeds:.1f}",
            f"{bill.idle / 3600 / seeds:.1f}",
            f"{bill.starts / seeds:.0f}",
            f"{bill.waited / bill.jobs:.0f}",
        )
    return drawn


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console(soft_wrap=True, width=_WIDTH)
    rules = IdleRules(IdlePolicy.ADAPTIVE, cold_wait=timedelta(minutes=COLD_WAIT))
    begun = time.perf_counter()
    results = [
        (profile, measure(profile, range(1, options.seeds + 1), rules)) for profile in PROFILES
    ]
    console.print(table(results, options.seeds))
    if not options.quick:
        console.print(days_table(options.seeds))
    console.print(
        f"A cold start is worth {COLD_WAIT:g} minutes of rent. "
        f"{time.perf_counter() - begun:.0f} s, {time.strftime('%Y-%m-%d')}"
    )
    faults = broken(results)
    for fault in faults:
        console.print(f"NOT KEPT: {fault}")
    if not faults:
        console.print(
            f"At most {MOST_OVER_BEST} of the best fixed limit everywhere, and "
            f"{MOST_OVER_LONGEST} of fixed {LONGEST:.0f} on {' and '.join(sorted(SAVING))}: kept"
        )
    return 1 if faults else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.idle", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the families, not the days")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each row")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error("--seeds is at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""python -m orchestrator.simulator run | seed | mutants | trace: the fleet on virtual time."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import django
from django.conf import settings


def prepare() -> None:
    """Django with the orchestrator alone: no site, no broker, no database that is ever opened."""
    if settings.configured:
        return
    settings.configure(
        INSTALLED_APPS=["orchestrator"],
        SECRET_KEY="of no use outside a simulation",  # noqa: S106  # it signs URLs nobody calls
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()


def main(words: list[str]) -> int:
    options = _parser().parse_args(words)
    prepare()
    match options.command:
        case "run":
            return _run(options.first, options.seeds, options.processes)
        case "seed":
            return _seed(options.seed, options.mutant)
        case "mutants":
            return _mutants(options.seeds)
        case _:
            return _trace(options.file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="many seeds")
    run.add_argument("--seeds", type=int, default=200)
    run.add_argument("--first", type=int, default=0)
    run.add_argument("--processes", type=int, default=2)
    seed = commands.add_parser("seed", help="one seed again, with its history")
    seed.add_argument("seed", type=int)
    seed.add_argument("--mutant", default="")
    mutants = commands.add_parser("mutants", help="find each planted bug")
    mutants.add_argument("--seeds", type=int, default=300)
    trace = commands.add_parser("trace", help="what arrivals of jobs would cost")
    trace.add_argument("file", type=Path)
    return parser


def _run(first: int, seeds: int, processes: int) -> int:
    from orchestrator.simulator.runner import coverage, many

    began = time.monotonic()
    total = many(first, seeds, processes, prepare)
    _say(
        f"{total.seeds} seeds, {total.jobs} jobs, {total.faults} faults, {total.ticks} ticks, "
        f"{total.hours:.0f} h of virtual time; in {time.monotonic() - began:.0f} s, "
        f"{total.cpu / max(1, total.seeds):.2f} CPU seconds each"
    )
    _say(f"at least, in any seed: {dict(total.fewest)}")
    for line in coverage(total.seen):
        _say(line)
    for seed, sentence in sorted(total.broken.items()):
        _say(f"BROKEN {seed}: {sentence.splitlines()[0]}")
        _say(f"  replay: python -m orchestrator.simulator seed {seed}")
    return 1 if total.broken else 0


def _seed(seed: int, name: str) -> int:
    from contextlib import nullcontext

    from orchestrator.simulator.mutants import MUTANTS
    from orchestrator.simulator.processes import Violation
    from orchestrator.simulator.runner import one

    planted = next((mutant.planted() for mutant in MUTANTS if mutant.name == name), None)
    try:
        with planted or nullcontext():
            told = one(seed)
    except Violation as violation:
        _say(str(violation))
        return 1
    _say(f"seed {seed}: {told.jobs} jobs, {told.faults} faults, {told.ticks} ticks: all holds")
    for what, count in sorted(told.seen.items()):
        _say(f"  {count:5d}  {what}")
    return 0


def _mutants(limit: int) -> int:
    from orchestrator.simulator.processes import Violation
    from orchestrator.simulator.runner import hunts, one

    known: dict[int, bool] = {}

    def sound(seed: int) -> bool:
        if seed not in known:
            try:
                one(seed)
            except Violation:
                known[seed] = False
            else:
                known[seed] = True
        return known[seed]

    survived = 0
    for hunt in hunts(limit, sound):
        if hunt.seed is None:
            survived += 1
            _say(f"SURVIVED {hunt.mutant.name}: {hunt.mutant.sentence} ({hunt.tried} seeds)")
        else:
            _say(f"found {hunt.mutant.name} with seed {hunt.seed}: {hunt.sentence}")
    return 1 if survived else 0


def _trace(file: Path) -> int:
    from orchestrator.simulator.trace import read, replay

    for idle in (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0):
        came_to = replay(read(file), idle)
        causes = ", ".join(f"{c} {s / 60:.0f}" for c, s in sorted(came_to.minutes().items()))
        _say(
            f"idle limit {idle / 60:4.0f} min: {came_to.billed / 3600:6.2f} h billed, "
            f"{came_to.cost:8.2f}, {came_to.starts} starts, mean wait {came_to.wait:.0f} s "
            f"(minutes: {causes})"
        )
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

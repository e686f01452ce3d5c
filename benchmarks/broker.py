"""What Redis' troubles do to our workers, with the Celery that is installed: `make bench-broker`.

Exits with 1 when a worker of ours loses a task, runs it twice, or does not consume again in time.
Run it with another environment's Python to measure other versions: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.broker_bench import TRANSPORT_VARIABLE
from benchmarks.broker_scenarios import SCENARIOS, Scenario, Seen, measure, passed

PACKAGES = ("celery", "kombu", "redis")
_WIDTH = 170


def worst(runs: Sequence[Seen]) -> Seen:
    """Of each figure the worst that was seen. Pure."""
    resumed = [one.resumed for one in runs if one.resumed is not None]
    begun, ended = ([one.begun for one in runs], [one.ended for one in runs])
    return Seen(
        begun=max(begun) if max(begun) > 1 else min(begun),
        ended=max(ended) if max(ended) > 1 else min(ended),
        exits=tuple(reason for one in runs for reason in one.exits),
        resumed=max(resumed) if len(resumed) == len(runs) else None,
        sent=max(one.sent for one in runs),
        refused=max(one.refused for one in runs),
        lost=max(one.lost for one in runs),
        doubled=max(one.doubled for one in runs),
    )


def row(scenario: Scenario, seen: Seen) -> tuple[str, ...]:
    """One line of the table. Pure."""
    if scenario.late:
        verdict = "-"
    else:
        verdict = "yes" if passed(scenario, seen) else "NO"
    return (
        scenario.name,
        verdict,
        "never" if seen.resumed is None else f"{seen.resumed:.1f}",
        f"{seen.begun}/{seen.ended}" if scenario.busy else "",
        str(len(seen.exits)),
        f"{seen.sent}/{seen.refused}",
        f"{seen.lost}/{seen.doubled}",
    )


def table(results: Sequence[tuple[Scenario, Seen]]) -> Table:
    """All of them, as Markdown too."""
    drawn = Table(box=box.MARKDOWN)
    drawn.add_column("what is done", no_wrap=True)
    for name in (
        "lived through",
        "consumes again after, s",
        "task begun/ended",
        "worker ended",
        "messages sent/refused",
        "lost/doubled",
    ):
        drawn.add_column(name, justify="right", no_wrap=True)
    for scenario, seen in results:
        drawn.add_row(*row(scenario, seen))
    return drawn


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    changes = transport(options.set)
    console = Console(soft_wrap=True, width=_WIDTH)
    chosen = [one for one in SCENARIOS if options.only in one.name]
    turns = [(number, one) for one in chosen for number in range(options.runs)]

    def turn(number: int, scenario: Scenario) -> Seen:
        folder = f"{SCENARIOS.index(scenario):02}-{number}"
        logs = options.logs / folder if options.logs is not None else None
        return measure(scenario, transport=changes, logs=logs)

    with ThreadPoolExecutor(options.jobs) as pool:
        seen = list(pool.map(lambda one: turn(*one), turns))
    grouped = [
        (one, worst(seen[index * options.runs : (index + 1) * options.runs]))
        for index, one in enumerate(chosen)
    ]
    console.print(table(grouped))
    for scenario, found in grouped:
        for reason in found.exits:
            console.print(f"{scenario.name}: the worker ended: {reason}")
    said = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    changed = "".join(f", {one}" for one in options.set)
    console.print(f"{said}{changed}. Worst of {options.runs}. {time.strftime('%Y-%m-%d')}")
    return 0 if all(passed(one, found) for one, found in grouped if not one.late) else 1


def transport(settings: Sequence[str]) -> Mapping[str, str]:
    """What tells a worker of transport options written as NAME=JSON. Pure."""
    if not settings:
        return {}
    pairs = (setting.partition("=") for setting in settings)
    return {TRANSPORT_VARIABLE: json.dumps({name: json.loads(value) for name, _, value in pairs})}


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.broker", description=__doc__)
    parser.add_argument("--only", default="", help="only scenarios with this in their names")
    parser.add_argument("--runs", type=int, default=1, help="of which the worst is shown")
    parser.add_argument("--jobs", type=int, default=4, help="how many are under way at once")
    parser.add_argument("--logs", type=Path, help="a folder for the workers' logs")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="another value for a transport option, such as socket_timeout=5",
    )
    options = parser.parse_args(argv)
    if options.runs < 1 or options.jobs < 1:
        parser.error("--runs and --jobs are at least 1")
    if not any(options.only in one.name for one in SCENARIOS):
        parser.error("no scenario has that in its name")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""How fast the dubbed track is put together, against the usual ways: `make bench-assembly`.

Exits with 1 when 800 lines take longer, or more memory, than we say they do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.assembly_methods import MANIFEST, METHODS, RATE, SECONDS_PER_LINE
from gpu_node import process

PROMISED_SECONDS = 1.5
PROMISED_MEGABYTES = 100.0
COUNTS = (50, 200, 800)
SAME_AT = COUNTS[0]
_NAMES = {"ours": "Dubfleet", "pydub": "pydub overlay", "ffmpeg": "FFmpeg adelay + amix"}
_QUIET = RATE // 100


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the runs; None: a run was stopped at the time limit.

    `processor`: seconds of the processor that the method's own process used.
    """

    seconds: float | None
    processor: float | None
    megabytes: float | None


@dataclass(frozen=True, slots=True)
class Sameness:
    """How one track compares to ours: the largest difference in 16-bit steps, and correlation."""

    steps: int
    correlation: float


def make_lines(folder: Path, count: int) -> None:
    """Clips of 2 to 3 s, one in every three seconds, and the list of them.

    They begin and end in 10 ms of silence, as trimmed speech does: the fades that only our track
    has then change nothing, and all three must give the same samples.
    """
    rng = np.random.default_rng(800)
    babble = _babble(rng, 60)
    listed: list[tuple[str, int]] = []
    for number in range(count):
        length = int(rng.integers(2000, 2951))
        start = number * SECONDS_PER_LINE * 1000 + int(rng.integers(0, 3001 - length))
        size = length * RATE // 1000
        first = int(rng.integers(0, len(babble) - size))
        clip = babble[first : first + size].copy()
        clip[:_QUIET] = clip[-_QUIET:] = 0
        name = f"line-{number:03d}.wav"
        soundfile.write(folder / name, clip, RATE, subtype="PCM_16")
        listed.append((name, start))
    (folder / MANIFEST).write_text(json.dumps(listed), encoding="utf-8")


def _babble(rng: np.random.Generator, seconds: int) -> NDArray[np.int16]:
    """Noise that comes and goes four times a second, as syllables do."""
    clock = np.arange(seconds * RATE) / RATE
    sound = rng.normal(0, 0.1, clock.size) * (1 + np.sin(2 * np.pi * 4 * clock)) / 2
    babble: NDArray[np.int16] = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    return babble


def measure(method: str, folder: Path, count: int, *, runs: int, limit: float) -> Result:
    """Run a method `runs` times, each in a fresh process; one run over the limit is enough."""
    found: list[dict[str, float]] = []
    argv = [sys.executable, "-m", "benchmarks.assembly_methods", method, str(folder), str(count)]
    for _ in range(runs):
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, process_group=0)
        try:
            said, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return Result(None, None, None)
        finally:
            process.kill_group(child)
        if child.returncode != 0:
            raise SystemExit(f"{_NAMES[method]} failed on {count} lines")
        found.append(json.loads(said))
    return Result(
        statistics.median(one["seconds"] for one in found),
        statistics.median(one["processor"] for one in found),
        statistics.median(one["megabytes"] for one in found),
    )


def compare(folder: Path, method: str) -> Sameness:
    """The track a method has just written, against ours of as many lines."""
    one, two = (
        soundfile.read(folder / f"{name}.wav", dtype="int16")[0] for name in ("ours", method)
    )
    if len(one) != len(two):
        raise SystemExit(f"{_NAMES[method]} gave {len(two)} samples, not {len(one)}")
    first, second = one.astype(np.float64), two.astype(np.float64)
    correlation = first @ second / np.sqrt((first @ first) * (second @ second))
    return Sameness(int(np.abs(first - second).max()), float(correlation))


def promise_kept(result: Result, *, busy: bool) -> bool:
    """On a busy machine the clock tells of the others: there only our own work counts."""
    seconds = result.processor if busy else result.seconds
    return (
        seconds is not None
        and result.megabytes is not None
        and seconds <= PROMISED_SECONDS
        and result.megabytes <= PROMISED_MEGABYTES
    )


def print_table(
    console: Console, results: dict[tuple[str, int], Result], methods: Sequence[str], limit: float
) -> None:
    table = Table("lines", "track", title="Putting the dubbed track together")
    for method in methods:
        table.add_column(f"{_NAMES[method]}, s", justify="right")
        table.add_column("MB", justify="right")
    for count in COUNTS:
        cells = [str(count), f"{count * SECONDS_PER_LINE} s"]
        for method in methods:
            result = results[method, count]
            over = result.seconds is None
            cells.append(f"over {limit:.0f}" if over else f"{result.seconds:.2f}")
            cells.append("-" if over else f"{result.megabytes:.0f}")
        table.add_row(*cells)
    console.print(table)


def machine() -> str:
    """One line on where this was measured."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = info.partition("model name")[2].partition(":")[2].partition("\n")[0].strip()
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    return (
        f"{time.strftime('%Y-%m-%d')}, {model or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, FFmpeg {said.stdout.split()[2]}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    methods = ["ours"] if options.quick else list(METHODS)
    console = Console(soft_wrap=True)
    results: dict[tuple[str, int], Result] = {}
    same: dict[str, Sameness] = {}
    with tempfile.TemporaryDirectory(prefix="dubfleet-bench-") as name:
        folder = Path(name)
        make_lines(folder, COUNTS[-1])
        for count in COUNTS:
            for method in methods:
                results[method, count] = measure(
                    method, folder, count, runs=options.runs, limit=options.limit
                )
            if count == SAME_AT:
                timed = [m for m in methods if results[m, count].seconds is not None]
                same = {m: compare(folder, m) for m in timed if m != "ours"}
    print_table(console, results, methods, options.limit)
    for method, sameness in same.items():
        console.print(
            f"{_NAMES[method]} at {SAME_AT} lines: the same track as ours to within "
            f"{sameness.steps} of 32768 steps, correlation {sameness.correlation:.6f}"
        )
    console.print(f"Median of {options.runs}, each run in a process of its own. {machine()}")
    kept = promise_kept(results["ours", COUNTS[-1]], busy=options.quick)
    of_what = "of the processor " if options.quick else ""
    console.print(
        f"{COUNTS[-1]} lines in at most {PROMISED_SECONDS} s {of_what}and "
        f"{PROMISED_MEGABYTES:.0f} MB: " + ("kept" if kept else "NOT KEPT")
    )
    identical = all(one.steps <= 1 for one in same.values())
    if not identical:
        console.print("The tracks are not the same: the comparison means nothing.")
    return 0 if kept and identical else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.assembly", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only our own way, beside other work: processor time counts",
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--limit", type=float, default=150.0, help="seconds a run may take")
    options = parser.parse_args(argv)
    if options.runs < 1 or options.limit <= 0:
        parser.error("--runs is at least 1, --limit more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())

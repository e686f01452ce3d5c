"""How soon something happens after the button: `python -m benchmarks.latency`.

A whole site with its real Redis, web server, orchestrator and worker. *Cold* is the time from the
submission until the cloud was asked to wake a node, *warm* until a node that is awake has claimed
the job. Both are read from the rows, by the database's own clock.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_node.demo.lesson import build_lesson
from tests.e2e.system import HEARTBEAT, System, asleep, system

COLD_P95, WARM_P95 = 1.0, 0.3


def main() -> int:
    """Press the button again and again; 1 when a promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--warm", type=int, default=40)
    parser.add_argument("--cold", type=int, default=12)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        lesson = str(build_lesson(Path(folder)).video)
        with system(Path(folder) / "cold") as running:
            cold = [_cold(running, lesson) for _ in range(wish.cold)]
        with system(Path(folder) / "warm", FLEET_IDLE_MINUTES="10") as running:
            warm = _warm(running, lesson, wish.warm)
    kept = [
        _say("submit to unshelve request sent", cold, COLD_P95),
        _say("warm node: submit to claim accepted", warm, WARM_P95),
    ]
    return 0 if all(kept) else 1


def _cold(running: System, lesson: str) -> float:
    voiceover, _ = running.tell("press", running.tell("hand_in", lesson))
    running.until(voiceover, lambda seen: seen["job"] == "running")
    took = running.tell("latency", voiceover)["asked"]
    running.tell("cancel", voiceover)
    running.until(voiceover, asleep)
    return float(took)


def _warm(running: System, lesson: str, count: int) -> list[float]:
    took = []
    for _ in range(count + 1):
        voiceover, _ = running.tell("press", running.tell("hand_in", lesson))
        running.until(voiceover, lambda seen: seen["job"] == "running")
        took.append(float(running.tell("latency", voiceover)["claimed"]))
        running.tell("cancel", voiceover)
        # The worker hears of it in the answer to its next heartbeat, and is free.
        time.sleep(3 * HEARTBEAT)
    return took[1:]  # the first one has woken the node


def _say(what: str, took: Sequence[float], promise: float) -> bool:
    ordered = sorted(took)
    p50, p95 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
    kept = p95 <= promise
    print(f"{what}: p50 {p50:.3f} s, p95 {p95:.3f} s of {len(took)}")
    print(f"  p95 at most {promise:g} s: {'kept' if kept else 'BROKEN'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())

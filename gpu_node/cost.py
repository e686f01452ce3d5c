"""What a run took from the machine."""

from __future__ import annotations

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall seconds of the whole run, and the largest process's memory in MB."""

    seconds: float
    peak_memory_mb: float


def peak_memory_mb() -> float:
    """The most memory that one process of ours, or a program we ran, has held."""
    largest = max(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    )
    return largest / 1024

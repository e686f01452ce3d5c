"""Whether what must hold holds in many histories; in pieces, which can be run side by side."""

from __future__ import annotations

from orchestrator.simulator.runner import in_the_database, some
from orchestrator.simulator.story import LEAST_FAULTS, LEAST_JOBS, LEAST_TICKS

_TICKS = 6
"""On real tables a history goes wrong for so long, and is then brought to its rest."""


def hold(first: int, count: int) -> None:
    """In memory, at full length."""
    total = some(range(first, first + count))
    assert not total.broken, "\n\n".join(
        f"{sentence}\nreplay: python -m orchestrator.simulator seed {seed}"
        for seed, sentence in total.broken.items()
    )
    assert total.fewest["jobs"] >= LEAST_JOBS
    assert total.fewest["faults"] >= LEAST_FAULTS
    assert total.fewest["ticks"] >= LEAST_TICKS


def hold_on_the_database(first: int, count: int) -> None:
    """On the real tables, shorter."""
    total = in_the_database(range(first, first + count), _TICKS)
    assert not total.broken, "\n\n".join(
        f"seed {seed}: {sentence}" for seed, sentence in total.broken.items()
    )

"""The same two hundred seeds on the real tables, with shorter histories: SQL takes its time."""

from __future__ import annotations

import pytest

from orchestrator.simulator.runner import in_the_database

_TICKS = 6
"""Until all is put right; each history is then brought to its rest."""


@pytest.mark.django_db
@pytest.mark.parametrize("first", range(0, 200, 50))
def test_whatever_happens_the_rules_hold_on_the_database(first: int) -> None:
    total = in_the_database(range(first, first + 50), _TICKS)
    assert not total.broken, "\n\n".join(
        f"seed {seed}: {sentence}" for seed, sentence in total.broken.items()
    )

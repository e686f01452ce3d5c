"""A seed is one history, planted bugs are found, and most of what can happen happens."""

from __future__ import annotations

import pytest

from orchestrator.simulator import runner
from orchestrator.simulator.mutants import MUTANTS, Mutant
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.runner import one, possible, some
from orchestrator.simulator.stores import InMemory
from orchestrator.simulator.story import tell


def test_the_same_seed_is_the_same_history() -> None:
    first, second = tell(3, InMemory()), tell(3, InMemory())
    assert first == second


def test_every_planted_bug_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.name))
def test_every_bug_can_still_be_planted(mutant: Mutant) -> None:
    """One that replaces what has another name by now would be said to have survived."""
    with mutant.planted():
        pass


def test_a_bug_that_replaces_what_is_gone_is_refused() -> None:
    stale = Mutant("stale", "", lambda: [(runner, "what_is_gone", None)], ())
    with pytest.raises(LookupError, match="what_is_gone"):
        stale.planted()


@pytest.mark.parametrize("mutant", MUTANTS[:2], ids=lambda mutant: str(mutant.name))
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    """The others take longer: `make sim-mutants`."""
    for seed in range(30):
        try:
            with mutant.planted():
                one(seed)
        except Violation as violation:
            if mutant.explains(str(violation)):
                return
    pytest.fail(f"{mutant.name} survived")


def test_most_of_what_can_happen_happens() -> None:
    seen = some(range(200, 215)).seen
    for sort, names in possible().items():
        if sort in ("gates", "operations", "attempts", "jobs", "causes"):
            found = sum(bool(seen[name]) for name in names)
            assert found >= 0.7 * len(names), sort

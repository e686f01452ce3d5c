"""Two hundred histories, a quarter of them: nothing is lost, doubled, or billed without a cause."""

from __future__ import annotations

import pytest

from tests.orchestrator.simulator.seeds import hold, hold_on_the_database


@pytest.mark.parametrize("first", range(50, 100, 10))
def test_whatever_happens_the_rules_hold(first: int) -> None:
    hold(first, 10)


@pytest.mark.django_db
@pytest.mark.parametrize("first", range(50, 100, 10))
def test_they_hold_on_the_real_tables(first: int) -> None:
    hold_on_the_database(first, 10)

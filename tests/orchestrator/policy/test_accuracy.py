"""How far estimates were from what jobs took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.accuracy import Told, accuracy


def test_before_any_job_nothing_is_said() -> None:
    assert accuracy([]) is None
    assert accuracy([Told(10, 0)]) is None


def test_the_median_of_the_errors_is_told() -> None:
    found = accuracy([Told(100, 100), Told(80, 100), Told(300, 100)])
    assert found is not None
    assert found.error == pytest.approx(0.2)
    assert (found.jobs, found.percent) == (3, 20)


@given(st.lists(st.floats(1, 1e6), min_size=1), st.floats(0.1, 10))
def test_a_model_that_is_always_wrong_by_a_factor_says_so(took: list[float], by: float) -> None:
    found = accuracy([Told(by * seconds, seconds) for seconds in took])
    assert found is not None
    assert found.error == pytest.approx(abs(by - 1), abs=1e-9)

"""Stages as people see them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.voiceovers.progress import overall, stages

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
REPORTED = st.fixed_dictionaries(
    {
        "stage": st.text(max_size=60),
        "done": st.floats(0, 1000),
        "total": st.floats(0, 1000),
        "finished": st.booleans(),
    }
)


@pytest.mark.parametrize(
    ("reported", "label", "percent", "amount"),
    [
        ({"stage": "speak", "done": 3, "total": 12}, "Speaking", 25, "3 of 12"),
        ({"stage": "mux", "done": 0, "total": 1}, "Joining picture and sound", 0, ""),
        ({"stage": "mux", "done": 1, "total": 1, "finished": True}, "Joining", 100, "done"),
        ({"stage": "some_new_step", "done": 0.5, "total": 2}, "Some new step", 25, "25 %"),
        ({"stage": "speak", "done": 20, "total": 12}, "Speaking", 100, "20 of 12"),
        ({"stage": "speak", "done": 2, "total": 0}, "Speaking", 0, "0 %"),
    ],
)
def test_a_stage_in_words(reported: dict[str, Any], label: str, percent: int, amount: str) -> None:
    (stage,) = stages([reported])
    assert stage.label.startswith(label)
    assert (stage.percent, stage.amount) == (percent, amount)


@given(ANYTHING)
def test_whatever_is_stored_can_be_shown(reported: Any) -> None:
    assert isinstance(stages(reported), list)


@given(st.lists(REPORTED, max_size=10))
def test_the_whole_is_between_nothing_and_all(reported: list[dict[str, Any]]) -> None:
    found = stages(reported)
    assert 0 <= overall(found) <= 1
    assert all(0 <= stage.percent <= 100 for stage in found)

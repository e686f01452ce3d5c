"""The states of a course: the table, and that nothing gets past it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campus.courses.models import Course, CourseEvent
from campus.courses.services import move
from campus.courses.states import EDITABLE, LABELS, SETTLED, TRANSITIONS, CourseState
from tests.campus.making import course, now
from tests.campus.people import People

STATES = st.sampled_from(list(CourseState))


def test_every_state_has_its_row_and_its_label() -> None:
    assert TRANSITIONS.keys() == LABELS.keys() == set(CourseState)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {CourseState.DRAFT}
    while more := {new for old in reached for new in TRANSITIONS[old]} - reached:
        reached |= more
    assert reached == set(CourseState)
    assert all(TRANSITIONS.values())


def test_what_may_be_dubbed_may_not_be_edited() -> None:
    assert not EDITABLE & SETTLED


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wishes=st.lists(st.tuples(STATES, STATES), max_size=12))
def test_any_series_of_wishes_follows_the_table(
    people: People, wishes: list[tuple[CourseState, CourseState]]
) -> None:
    made = course(people.partner)
    state = CourseState.DRAFT
    for old, new in wishes:
        allowed = new in TRANSITIONS[old]
        if not allowed:
            with pytest.raises(ValueError, match="does not go"):
                move(made, old, new, now(), by=None)
            continue
        assert move(made, old, new, now(), by=None) == (old is state)
        state = new if old is state else state
    assert Course.objects.get(pk=made.pk).current_state is state
    trail: list[Any] = list(CourseEvent.objects.filter(course=made).values_list("old", "new"))
    assert trail[-1][1] == state
    assert all(after[0] == before[1] for before, after in pairwise(trail))

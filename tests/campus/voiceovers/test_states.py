"""The states of a voiceover: the table, and that nothing gets past it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campus.voiceovers.models import Voiceover
from campus.voiceovers.services import move
from campus.voiceovers.states import LABELS, RETRIABLE, TRANSITIONS, UNDER_WAY, VoiceoverState
from tests.campus.making import asked, now
from tests.campus.people import People

STATES = st.sampled_from(list(VoiceoverState))


def test_every_state_has_its_row_and_its_label() -> None:
    assert TRANSITIONS.keys() == LABELS.keys() == set(VoiceoverState)


def test_every_state_can_be_reached_and_every_one_has_a_way_on() -> None:
    reached = {VoiceoverState.QUEUED}
    while more := {new for old in reached for new in TRANSITIONS[old]} - reached:
        reached |= more
    assert reached == set(VoiceoverState)
    assert all(TRANSITIONS.values())


def test_a_lesson_may_be_deleted_at_any_time() -> None:
    for state in set(VoiceoverState) - {VoiceoverState.CANCELLED}:
        assert VoiceoverState.CANCELLED in TRANSITIONS[state]


def test_what_may_be_retried_can_be_queued() -> None:
    assert all(VoiceoverState.QUEUED in TRANSITIONS[state] for state in RETRIABLE)
    assert not RETRIABLE & UNDER_WAY


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wishes=st.lists(st.tuples(STATES, STATES), max_size=12))
def test_any_series_of_wishes_follows_the_table(
    people: People, video: Path, wishes: list[tuple[VoiceoverState, VoiceoverState]]
) -> None:
    made = asked(people, video)
    state = VoiceoverState.QUEUED
    for old, new in wishes:
        if new not in TRANSITIONS[old]:
            with pytest.raises(ValueError, match="does not go"):
                move(made, old, new, now())
            continue
        assert move(made, old, new, now()) == (old is state)
        state = new if old is state else state
    assert Voiceover.objects.get(pk=made.pk).current_state is state
    trail = list(made.events.values_list("old", "new"))
    assert all(after[0] == before[1] for before, after in pairwise(trail))

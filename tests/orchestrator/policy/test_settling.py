"""The ledger's edges against the cloud's own notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.settling import Closed, Edges, edges, settle
from orchestrator.providers.port import ActionFacts, ActionResult
from orchestrator.states import Cause, OperationKind
from tests.orchestrator.policy.nodes import NOW

SLACK = timedelta(seconds=90)
CAUSES = (Cause.BOOT, Cause.JOB, Cause.IDLE, Cause.DRAIN, Cause.SHELVING)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def waking(start: float, *lengths: float) -> list[Closed]:
    found, moment = [], start
    for number, length in enumerate(lengths):
        cause = CAUSES[number % len(CAUSES)]
        found.append(Closed(number, cause, at(moment), at(moment + length)))
        moment += length
    return found


def action(
    kind: OperationKind, started: float, finished: float | None, *, ok: bool = True
) -> ActionFacts:
    return ActionFacts(
        request_id=f"req-{started}",
        kind=kind,
        started_at=at(started),
        finished_at=at(finished) if finished is not None else None,
        result=ActionResult.OK if ok else ActionResult.FAILED,
        message="",
    )


def test_a_waking_lasts_from_the_request_until_the_shelving_is_over() -> None:
    notes = [
        action(OperationKind.SHELVE, 90, 104.2),
        action(OperationKind.UNSHELVE, -0.3, 30),
    ]
    found = edges(waking(0, 30, 60, 20), notes, SLACK)
    assert found == Edges(at(-0.3), at(104.2))


def test_the_notes_of_another_waking_are_not_taken_for_its_own() -> None:
    notes = [
        action(OperationKind.UNSHELVE, 130, 140),
        action(OperationKind.SHELVE, 90, 108),
        action(OperationKind.UNSHELVE, 1, 30),
        action(OperationKind.SHELVE, -800, -700),
        action(OperationKind.UNSHELVE, -2000, -1900),
    ]
    assert edges(waking(0, 30, 60, 20), notes, SLACK) == Edges(at(1), at(108))


def test_a_waking_that_found_no_room_ends_when_the_cloud_gave_up() -> None:
    notes = [action(OperationKind.UNSHELVE, 0, 0.2, ok=False)]
    assert edges(waking(0, 9), notes, SLACK) == Edges(at(0), at(0.2))


def test_a_shelving_that_failed_ends_nothing() -> None:
    notes = [action(OperationKind.SHELVE, 90, 100, ok=False)]
    assert edges(waking(0, 30, 60, 20), notes, SLACK) == Edges(None, None)


def test_what_the_cloud_does_not_say_stays() -> None:
    before = waking(0, 30, 60)
    assert settle(before, Edges(None, None)) == tuple(before)


def test_a_stretch_that_never_was_billed_goes() -> None:
    after = settle(waking(0, 30, 60, 5), Edges(at(0), at(88)))
    assert [(one.row, one.end) for one in after] == [(0, at(30)), (1, at(88))]


lengths = st.lists(st.floats(0.5, 500), min_size=1, max_size=6)
shift = st.floats(-90, 90)


@given(lengths, shift, shift)
def test_settled_stretches_touch_and_cover_what_the_cloud_bills(
    parts: list[float], first: float, last: float
) -> None:
    before = waking(0, *parts)
    began, ended = at(first), before[-1].end + timedelta(seconds=last)
    after = settle(before, Edges(began, ended))
    assert all(one.end == two.start for one, two in pairwise(after))
    assert {one.row: one.cause for one in after}.items() <= {b.row: b.cause for b in before}.items()
    if ended <= began:
        assert after == ()
    else:
        assert (after[0].start, after[-1].end) == (began, ended)


@given(lengths, shift, shift)
def test_settling_twice_changes_nothing_more(parts: list[float], first: float, last: float) -> None:
    before = waking(0, *parts)
    true = Edges(at(first), before[-1].end + timedelta(seconds=last))
    once = settle(before, true)
    if once:
        assert settle(once, true) == once


@pytest.mark.parametrize("kind", list(OperationKind))
def test_an_action_that_is_far_away_is_none_of_it(kind: OperationKind) -> None:
    notes = [action(kind, -500, -400), action(kind, 500, 600)]
    assert edges(waking(0, 30), notes, SLACK) == Edges(None, None)

"""The ledger's edges against the cloud's own notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.settling import Closed, Kept, kept, settle
from orchestrator.providers.port import ActionFacts, ActionFailure, ActionResult
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
    kind: OperationKind,
    started: float,
    finished: float | None,
    *,
    ok: bool = True,
    failure: ActionFailure | None = None,
) -> ActionFacts:
    return ActionFacts(
        request_id=f"req-{started}",
        kind=kind,
        started_at=at(started),
        finished_at=at(finished) if finished is not None else None,
        result=ActionResult.OK if ok else ActionResult.FAILED,
        message="",
        failure=failure,
    )


UNSHELVE, SHELVE = OperationKind.UNSHELVE, OperationKind.SHELVE
EVER = at(-100_000)


def test_a_gpu_is_kept_from_the_request_until_the_shelving_is_over() -> None:
    notes = [action(SHELVE, 90, 104.2), action(UNSHELVE, -0.3, 30)]
    assert kept(notes) == (Kept(at(-0.3), at(104.2)),)


def test_a_waking_that_found_no_room_ends_when_the_cloud_gave_up() -> None:
    assert kept([action(UNSHELVE, 0, 0.2, ok=False)]) == (Kept(at(0), at(0.2)),)


def test_one_whose_disk_was_lost_does_not_end() -> None:
    notes = [action(UNSHELVE, 0, 0.2, ok=False, failure=ActionFailure.IMAGE)]
    assert kept(notes) == (Kept(at(0), None),)


def test_a_shelving_that_failed_ends_nothing() -> None:
    notes = [
        action(UNSHELVE, 0, 30),
        action(SHELVE, 90, 100, ok=False),
        action(SHELVE, 120, 130),
        action(UNSHELVE, 140, 150),
    ]
    assert kept(notes) == (Kept(at(0), at(130)), Kept(at(140), None))


def test_what_began_before_the_notes_do() -> None:
    assert kept([action(SHELVE, 90, 100)]) == (Kept(None, at(100)),)


def fitted(ledger: list[Closed], *notes: Kept) -> list[tuple[int | None, datetime, datetime]]:
    settled = settle(ledger, notes, EVER, SLACK)
    assert not settled.left
    return [(one.row, one.start, one.end) for one in settled.stretches]


def test_both_edges_are_the_clouds() -> None:
    assert fitted(waking(0, 30, 60, 5, 1, 9), Kept(at(-0.3), at(99.5))) == [
        (0, at(-0.3), at(30)),
        (1, at(30), at(90)),
        (2, at(90), at(95)),
        (3, at(95), at(96)),
        (4, at(96), at(99.5)),
    ]


def test_a_time_that_the_cloud_knows_nothing_of_goes() -> None:
    assert fitted(waking(0, 20)) == []


def test_a_stretch_beyond_the_clouds_end_goes() -> None:
    assert fitted(waking(0, 30, 60, 5), Kept(at(0), at(88))) == [
        (0, at(0), at(30)),
        (1, at(30), at(88)),
    ]


def test_a_time_that_only_the_cloud_knows_was_somebody_elses() -> None:
    [stretch] = settle([], [Kept(at(0), at(50))], EVER, SLACK).stretches
    assert (stretch.row, stretch.cause, stretch.start) == (None, Cause.EXTERNAL, at(0))


def test_a_gap_that_we_slept_through_is_closed() -> None:
    ledger = [*waking(0, 30), Closed(7, Cause.IDLE, at(50), at(60))]
    assert fitted(ledger, Kept(at(0), at(60))) == [
        (0, at(0), at(30)),
        (None, at(30), at(50)),
        (7, at(50), at(60)),
    ]


def test_two_times_awake_that_looked_like_one() -> None:
    """It was shelved and woken again while nobody looked."""
    found = fitted(waking(0, 30, 60), Kept(at(0), at(50)), Kept(at(70), at(90)))
    assert found == [(0, at(0), at(30)), (1, at(30), at(50)), (None, at(70), at(90))]


def test_what_the_cloud_has_not_finished_writing_is_left_for_later() -> None:
    settled = settle(waking(0, 30, 60), [Kept(at(0), None)], EVER, SLACK)
    assert (settled.stretches, settled.left) == ((), frozenset({0, 1}))


def test_before_the_notes_are_complete_nothing_is_taken_away() -> None:
    ledger = waking(0, 30)
    assert settle(ledger, [], at(5), SLACK).stretches == tuple(ledger)


def test_clocks_that_differ_a_little_do_not_part_them() -> None:
    assert fitted(waking(0, 10), Kept(at(12), at(21))) == [(0, at(12), at(21))]


def test_a_server_that_fell_asleep_without_a_note_was_not_kept_until_it_was_woken_again() -> None:
    """Its shelving failed half-way, and the cloud let go of it later, by itself."""
    noted = [
        action(OperationKind.UNSHELVE, 0, 10),
        action(SHELVE, 100, 110, ok=False),
        action(UNSHELVE, 500, 520, ok=False),
    ]
    assert kept(noted) == (Kept(at(0), at(520)),)
    assert kept(noted, settled_until=at(300)) == (Kept(at(500), at(520)),)
    again = [action(OperationKind.UNSHELVE, 600, None), action(OperationKind.UNSHELVE, 700, None)]
    assert kept(again, settled_until=at(300)) == (Kept(at(600), None),)


def test_nothing_has_ended_later_than_now_whatever_the_clouds_clock_says() -> None:
    noted = [action(OperationKind.UNSHELVE, 0, 10), action(OperationKind.SHELVE, 90, 106)]
    assert kept(noted, now=at(100)) == (Kept(at(0), at(100)),)


lengths = st.lists(st.floats(0.5, 500), min_size=1, max_size=6)
edges = st.lists(st.floats(-50, 3000), min_size=0, max_size=8, unique=True)


@given(lengths, edges)
def test_what_is_settled_is_what_the_cloud_keeps(parts: list[float], moments: list[float]) -> None:
    """Whatever both say: no overlap, and the same seconds, wherever the cloud knows both edges."""
    ordered = sorted(moments)
    notes = [Kept(at(a), at(b)) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]
    settled = settle(waking(0, *parts), notes, EVER, SLACK).stretches
    assert all(one.end <= two.start for one, two in pairwise(settled))
    assert all(one.start < one.end for one in settled)
    ours = sum((one.end - one.start for one in settled), timedelta())
    theirs = sum((n.end - n.start for n in notes if n.end and n.start), timedelta())
    assert abs((ours - theirs).total_seconds()) < 0.001


@given(lengths, edges)
def test_no_row_is_used_twice_and_none_changes_its_cause(
    parts: list[float], moments: list[float]
) -> None:
    ordered = sorted(moments)
    notes = [Kept(at(a), at(b)) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]
    before = waking(0, *parts)
    after = settle(before, notes, EVER, SLACK).stretches
    rows = [one.row for one in after if one.row is not None]
    assert len(rows) == len(set(rows))
    causes = {one.row: one.cause for one in before}
    assert all(one.cause is causes[one.row] for one in after if one.row is not None)


@given(lengths)
def test_settling_twice_changes_nothing_more(parts: list[float]) -> None:
    before = waking(0, *parts)
    notes = [Kept(at(-1), before[-1].end - timedelta(seconds=0.25))]
    once = settle(before, notes, EVER, SLACK).stretches
    assert settle(once, notes, EVER, SLACK).stretches == once

"""A worker that is rung and does not come: restarted a few times, then given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.deaf import (
    Ear,
    Hearing,
    Patience,
    Step,
    claimed,
    decide,
    look,
    restarted,
    rung,
)

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(seconds=5)
OPEN = Ear(could_take=True, work=True)

seconds = st.integers(0, 900).map(lambda count: timedelta(seconds=count))
patiences = st.builds(
    Patience,
    rings=st.integers(1, 5),
    wait=seconds,
    restarts=st.integers(0, 4),
    backoff=st.lists(seconds, max_size=3).map(lambda some: tuple(sorted(some))),
)
ears = st.builds(Ear, could_take=st.booleans(), work=st.booleans())


def history(
    ears: list[Ear], patience: Patience, claims: frozenset[int] = frozenset()
) -> list[tuple[datetime, Step]]:
    """What is done tick by tick, until the node is given up; `claims`: in which ticks it claims."""
    hearing, done = Hearing(), []
    for number, ear in enumerate(ears):
        now = START + number * TICK
        hearing = claimed() if number in claims else look(hearing, ear)
        if ear.could_take and ear.work:
            hearing = rung(hearing, now)
        step = decide(hearing, ear, patience, now)
        done.append((now, step))
        if step is Step.RESTART:
            hearing = restarted(hearing, now)
        if step is Step.DRAIN:
            break
    return done


def steps(done: list[tuple[datetime, Step]]) -> list[tuple[float, Step]]:
    return [((now - START).total_seconds(), s) for now, s in done if s is not Step.NOTHING]


def test_one_that_never_comes_is_restarted_twice_and_given_up() -> None:
    assert steps(history([OPEN] * 1000, Patience())) == [
        (60, Step.RESTART),
        (180, Step.RESTART),
        (480, Step.DRAIN),
    ]


def test_without_ssh_it_is_given_up_at_once() -> None:
    assert steps(history([OPEN] * 1000, Patience(restarts=0))) == [(60, Step.DRAIN)]


def test_a_single_ring_may_have_been_lost() -> None:
    once = rung(Hearing(), START)
    assert decide(once, OPEN, Patience(), START + timedelta(hours=1)) is Step.NOTHING


def test_a_restart_that_helped_is_forgotten() -> None:
    hearing = restarted(rung(Hearing(), START), START)
    assert hearing.restarts == 1
    assert claimed() == Hearing()


@given(st.lists(ears, max_size=200), patiences)
def test_nobody_is_touched_who_could_not_take_work_or_has_none(
    seen: list[Ear], patience: Patience
) -> None:
    for ear, (_, step) in zip(seen, history(seen, patience), strict=False):
        assert (ear.could_take and ear.work) or step is Step.NOTHING


@given(st.lists(ears, max_size=200), patiences)
def test_restarts_are_bounded_and_spaced(seen: list[Ear], patience: Patience) -> None:
    done = [(now, step) for now, step in history(seen, patience) if step is not Step.NOTHING]
    restarts = [now for now, step in done if step is Step.RESTART]
    assert len(restarts) <= patience.restarts
    for number, (one, two) in enumerate(pairwise(done)):
        rests = patience.backoff or (timedelta(),)
        assert two[0] - one[0] >= rests[min(number, len(rests) - 1)]
    assert [step for _, step in done].count(Step.DRAIN) <= 1


@given(st.lists(ears, max_size=200), patiences)
def test_nothing_is_done_before_it_was_rung_long_and_often_enough(
    seen: list[Ear], patience: Patience
) -> None:
    done = history(seen, patience)
    for number, (now, step) in enumerate(done):
        if step is Step.NOTHING:
            continue
        # The ticks in a row, back from this one, in which it could have come.
        run = 0
        while run <= number and seen[number - run] == OPEN:
            run += 1
        assert run >= patience.rings
        assert now - done[number - run + 1][0] >= patience.wait


@given(patiences)
def test_one_that_stays_deaf_is_always_given_up(patience: Patience) -> None:
    """And by when: the waits and rests added up, and a tick for each step's look."""
    done = steps(history([OPEN] * 5000, patience))
    assert done[-1][1] is Step.DRAIN
    assert [step for _, step in done[:-1]] == [Step.RESTART] * patience.restarts
    each = patience.wait + patience.rings * TICK + 2 * TICK
    most = (patience.restarts + 1) * each + sum(
        ((patience.backoff or (timedelta(),)) * patience.restarts)[: patience.restarts],
        timedelta(),
    )
    rest = max(patience.backoff, default=timedelta())
    assert timedelta(seconds=done[-1][0]) <= most + patience.restarts * rest


@given(patiences, st.integers(1, 4))
def test_one_that_comes_in_time_is_left_alone(patience: Patience, every: int) -> None:
    if (every - 1) * TICK >= patience.wait and every >= patience.rings:
        return
    claims = frozenset(range(0, 400, every))
    assert not steps(history([OPEN] * 400, patience, claims))

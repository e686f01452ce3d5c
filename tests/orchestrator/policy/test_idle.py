"""How long a node may idle: held to the policy's promises on gaps of every kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.idle import (
    HALF_LIFE,
    PRIOR_GAPS,
    REMEMBERED,
    STEPS,
    Gap,
    IdlePolicy,
    IdleRules,
    Spell,
    gaps_of,
    idle_limit,
)

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
RULES = IdleRules(IdlePolicy.ADAPTIVE)
STEP = 15 * SECOND
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

lengths = st.one_of(
    st.integers(0, 20 * 60_000_000).map(lambda micro: timedelta(microseconds=micro)),
    st.integers(0, 80).map(lambda quarters: quarters * STEP),
    st.sampled_from([timedelta(hours=10), timedelta(days=30), timedelta.max // 2]),
)
gaps_seen = st.lists(st.builds(Gap, lengths, st.booleans()), max_size=60)
# Within a step the policy takes gaps to end in the middle: of these it knows the exact cost.
mid_step = st.integers(-8, 60).map(lambda steps: Gap(RULES.shortest + steps * STEP + STEP / 2))
worths = st.integers(0, 60 * 60).map(lambda seconds: timedelta(seconds=seconds))


def seen(*minutes: float, ended: bool = True) -> list[Gap]:
    return [Gap(one * MINUTE, ended) for one in minutes]


def cost(gap: Gap, limit: timedelta, worth: timedelta) -> float:
    """Of one gap that has ended, in seconds of rent."""
    paid = gap.length if gap.length <= limit else limit + worth
    return paid.total_seconds()


# What holds for all gaps


@given(gaps_seen, worths)
def test_an_adaptive_limit_keeps_between_its_bounds(gaps: list[Gap], worth: timedelta) -> None:
    limit = idle_limit(gaps, replace(RULES, cold_wait=worth))
    assert RULES.shortest <= limit <= RULES.longest


@given(gaps_seen, worths, worths)
def test_a_cold_wait_worth_more_never_shortens_the_limit(
    gaps: list[Gap], one: timedelta, other: timedelta
) -> None:
    less, more = sorted((one, other))
    assert idle_limit(gaps, replace(RULES, cold_wait=less)) <= idle_limit(
        gaps, replace(RULES, cold_wait=more)
    )


@given(gaps_seen, worths, st.integers(2, 1000))
def test_other_units_of_time_give_the_same_limit(
    gaps: list[Gap], worth: timedelta, times: int
) -> None:
    gaps = [gap for gap in gaps if gap.length < timedelta(days=100)]
    larger = IdleRules(
        IdlePolicy.ADAPTIVE,
        cold_wait=worth * times,
        shortest=RULES.shortest * times,
        longest=RULES.longest * times,
    )
    limit = idle_limit(gaps, replace(RULES, cold_wait=worth))
    assert idle_limit([replace(gap, length=gap.length * times) for gap in gaps], larger) == (
        limit * times
    )


@given(gaps_seen, st.data())
def test_gaps_of_about_one_length_may_change_places(gaps: list[Gap], data: st.DataObject) -> None:
    base = data.draw(st.integers(0, STEPS - 1)) * STEP + RULES.shortest
    alike = [
        Gap(base + data.draw(st.integers(1, 15)) * SECOND),
        Gap(base + data.draw(st.integers(1, 15)) * SECOND),
    ]
    place = data.draw(st.integers(0, len(gaps)))
    one = [alike[0], *gaps[:place], alike[1], *gaps[place:]]
    other = [alike[1], *gaps[:place], alike[0], *gaps[place:]]
    assert idle_limit(one, RULES) == idle_limit(other, RULES)


@given(gaps_seen, st.lists(st.floats(0, 2), max_size=5), st.data())
def test_gaps_that_every_limit_outlasts_say_nothing(
    gaps: list[Gap], short: list[float], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(gaps)))
    more = [*gaps[:place], *seen(*short), *gaps[place:]]
    assert idle_limit(more, RULES) == idle_limit(gaps, RULES)


@given(gaps_seen, lengths.filter(lambda length: length > RULES.longest), st.booleans())
def test_how_much_longer_than_the_longest_limit_a_gap_was_does_not_matter(
    gaps: list[Gap], length: timedelta, ended: bool
) -> None:
    long = Gap(RULES.longest + timedelta(microseconds=1))
    assert idle_limit([*gaps, Gap(length, ended)], RULES) == idle_limit([*gaps, long], RULES)


@given(gaps_seen, worths)
def test_a_fixed_limit_is_taken_as_it_is(gaps: list[Gap], fixed: timedelta) -> None:
    assert idle_limit(gaps, IdleRules(fixed=fixed)) == fixed


@given(
    gaps_seen,
    worths,
    st.timedeltas(timedelta(microseconds=1), timedelta(hours=1)),
    st.timedeltas(timedelta(), timedelta(hours=1)),
)
def test_all_bounds_will_do(
    gaps: list[Gap], worth: timedelta, shortest: timedelta, more: timedelta
) -> None:
    rules = IdleRules(
        IdlePolicy.ADAPTIVE, cold_wait=worth, shortest=shortest, longest=shortest + more
    )
    assert shortest <= idle_limit(gaps, rules) <= shortest + more


@given(st.lists(mid_step, max_size=120), worths)
def test_no_other_limit_would_have_been_cheaper(gaps: list[Gap], worth: timedelta) -> None:
    """Of the gaps as they are remembered, with the guess: added up here, gap by gap."""
    telling = [gap for gap in gaps if gap.length > RULES.shortest]

    def total(limit: timedelta) -> float:
        times = limit / RULES.shortest
        guessed = RULES.shortest * (1 + log(times)) + worth / times
        return PRIOR_GAPS * guessed.total_seconds() + sum(
            float(0.5 ** (age / HALF_LIFE)) * cost(gap, limit, worth)
            for age, gap in enumerate(reversed(telling))
        )

    chosen = idle_limit(gaps, replace(RULES, cold_wait=worth))
    best = min(total(RULES.shortest + number * STEP) for number in range(STEPS + 1))
    assert total(chosen) <= best + 1.0


# What it does in particular cases

CASES: dict[str, tuple[Sequence[Gap], timedelta]] = {
    "nothing known yet: as long as a cold start is worth": ([], 5 * MINUTE),
    "no gap long enough to matter": (seen(*[0.0] * 50), 5 * MINUTE),
    "one long gap is not a habit": (seen(600), 3.25 * MINUTE),
    "four are": (seen(*[600] * 4), 2 * MINUTE),
    "always back after 4 minutes or not at all": (seen(*[4, 4, 600] * 30), 4 * MINUTE),
    "always back after 8 minutes: too dear to wait for": (seen(*[8, 8, 600] * 30), 2 * MINUTE),
    "always back after 6 minutes, mostly": (seen(*[6] * 9, 600) * 10, 6 * MINUTE),
    "between two steps: the next": (seen(*[4.01, 4.01, 600] * 30), 4.25 * MINUTE),
}


@pytest.mark.parametrize(("gaps", "limit"), CASES.values(), ids=CASES)
def test_the_limit_that_is_learned(gaps: Sequence[Gap], limit: timedelta) -> None:
    assert idle_limit(gaps, RULES) == limit


@pytest.mark.parametrize("worth", [1, 2, 4, 10, 15, 40])
def test_with_nothing_known_the_limit_is_what_a_cold_start_is_worth(worth: int) -> None:
    limit = idle_limit([], replace(RULES, cold_wait=worth * MINUTE))
    assert limit == min(max(worth, 2), 15) * MINUTE


@given(st.integers(9, 24), st.integers(0, 60), lengths)
def test_one_outlier_among_gaps_of_one_length_changes_little(
    quarters: int, place: int, odd: timedelta
) -> None:
    usual = quarters * STEP
    gaps = [Gap(usual)] * 60
    limit = idle_limit([*gaps[:place], Gap(odd), *gaps[place:]], RULES)
    # Still long enough for the usual gaps, and an odd one that is far off is not waited for.
    assert usual <= limit <= 2 * RULES.cold_wait


def test_the_past_is_forgotten_when_the_work_changes() -> None:
    before, after = seen(*[4, 4, 600] * 100), seen(*[8, 8, 600] * 60)
    assert idle_limit(before, RULES) == 4 * MINUTE
    assert idle_limit([*before, *after], RULES) == 2 * MINUTE
    again = seen(*[4, 4, 600] * 60)
    assert idle_limit([*before, *after, *again], RULES) == 4 * MINUTE


def test_what_lies_too_far_back_does_not_count_at_all() -> None:
    newer = seen(*[4, 4, 600, 600] * (REMEMBERED // 4))
    for worth in range(2 * 60, 8 * 60):
        rules = replace(RULES, cold_wait=worth * SECOND)
        assert idle_limit([*seen(*[3] * 500), *newer], rules) == idle_limit(newer, rules)


def test_a_gap_that_was_cut_short_is_not_taken_for_a_short_one() -> None:
    # Work comes after 6 minutes or 600. Cut at 3: which of the two it would have been is not known.
    cut = [gap for _ in range(30) for gap in (*seen(6, 600), *seen(3, 3, ended=False))]
    assert idle_limit(cut, RULES) == idle_limit(seen(*[6, 600] * 30), RULES) == 2 * MINUTE
    mistaken = [replace(gap, ended=True) for gap in cut]
    assert idle_limit(mistaken, RULES) == 3 * MINUTE


@given(gaps_seen, st.integers(0, STEPS - 1), st.integers(0, 14))
def test_a_gap_cut_short_within_a_step_counts_up_to_its_beginning(
    gaps: list[Gap], steps: int, seconds: int
) -> None:
    begin = RULES.shortest + steps * STEP
    within = [Gap(begin + seconds * SECOND, ended=False)] * 20
    assert idle_limit([*gaps, *within], RULES) == idle_limit(
        [*gaps, *[Gap(begin + SECOND, ended=False)] * 20], RULES
    )


def test_a_gap_cut_short_within_the_first_step_says_nothing_yet() -> None:
    open_one = seen(2.2, ended=False)
    assert idle_limit(open_one, RULES) == idle_limit([], RULES)


def test_a_decision_takes_less_than_two_milliseconds() -> None:
    gaps = seen(*[2 + number * 13.5 / REMEMBERED for number in range(REMEMBERED)])
    taken = []
    for _ in range(20):
        begun = time.process_time()
        idle_limit(gaps, replace(RULES, cold_wait=60 * MINUTE))
        taken.append(time.process_time() - begun)
    assert min(taken) < 0.002


@pytest.mark.parametrize(
    "make",
    [
        lambda: IdleRules(shortest=timedelta()),
        lambda: IdleRules(shortest=16 * MINUTE),
        lambda: IdleRules(cold_wait=-MINUTE),
        lambda: IdleRules(fixed=-MINUTE),
    ],
    ids=["no shortest", "shortest above longest", "cold wait below 0", "limit below 0"],
)
def test_rules_that_make_no_sense_are_refused(make: Callable[[], IdleRules]) -> None:
    with pytest.raises(ValueError, match="idle limit"):
        make()


# From what happened to gaps


def ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


SPELLS: dict[str, tuple[Spell, Gap | None]] = {
    "work came": (Spell(ago(30), ago(20)), Gap(10 * MINUTE)),
    "work came this moment": (Spell(ago(30), NOW), Gap(30 * MINUTE)),
    "work waited already": (Spell(ago(30), ago(40)), Gap(timedelta())),
    "no work yet": (Spell(ago(30), None), Gap(30 * MINUTE, ended=False)),
    "work comes later than now": (Spell(ago(30), ago(-5)), Gap(30 * MINUTE, ended=False)),
    "held before work came": (Spell(ago(30), ago(5), ago(20)), Gap(10 * MINUTE, ended=False)),
    "held, and no work": (Spell(ago(30), None, ago(20)), Gap(10 * MINUTE, ended=False)),
    "held after work came": (Spell(ago(30), ago(20), ago(10)), Gap(10 * MINUTE)),
    "held from the beginning": (Spell(ago(30), None, ago(40)), Gap(timedelta(), ended=False)),
    "it begins now": (Spell(NOW, None), None),
    "it begins later": (Spell(ago(-1), None), None),
}


@pytest.mark.parametrize(("spell", "gap"), SPELLS.values(), ids=SPELLS)
def test_a_spell_is_the_gap_that_was_known(spell: Spell, gap: Gap | None) -> None:
    assert gaps_of([spell], NOW) == (() if gap is None else (gap,))


moments = st.integers(-200, 200).map(lambda minutes: NOW + minutes * MINUTE)


@given(st.permutations(range(1, 8)))
def test_gaps_come_oldest_first_however_they_were_listed(order: list[int]) -> None:
    spells = [Spell(ago(100 * number), ago(99 * number)) for number in order]
    assert gaps_of(spells, NOW) == tuple(seen(7, 6, 5, 4, 3, 2, 1))


@given(st.lists(st.builds(Spell, moments, st.none() | moments), max_size=20))
def test_what_comes_later_does_not_change_what_was_known(spells: list[Spell]) -> None:
    """So the limit of a spell that began now stays as it is until the spell ends."""
    without = [
        spell
        if spell.next_work_at is None or spell.next_work_at <= NOW
        else replace(spell, next_work_at=None)
        for spell in spells
        if spell.began < NOW
    ]
    assert gaps_of(spells, NOW) == gaps_of(without, NOW)

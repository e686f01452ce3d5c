"""How long an idle node stays awake before it is put to sleep. Pure.

The fixed policy is a number. The adaptive one weighs rent against cold starts: with T the time from
a node's becoming idle to its next work, it looks for the limit that makes

    rent x E[min(T, limit)] + cold_wait x P(T > limit)

least between two bounds, from the gaps of the past. Going from one limit to a longer one has a
price: the rent it adds for each cold start that it spares. The limit grows as long as that is at
most what a cold start is worth. docs/decisions/0015-idle-policy.md holds the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

STEPS = 52
"""Between the two bounds: of 15 s each when they are 2 and 15 minutes, about one tick."""

PRIOR_GAPS = 3.0
"""How many gaps the guess that stands before any were seen is worth. Few, so that it is soon
outvoted: from 1 to 6 the costs that were measured differ by less than half a percent."""

HALF_LIFE = 70
"""So many gaps later a gap counts half: two weeks or so, at five gaps a day that are longer than
the shortest limit. Remembering everything costs 2 percent more when the work changes, and gains
nothing when it does not."""

REMEMBERED = 500
"""Gaps; the next older one would count 0.7 percent of the newest."""


class IdlePolicy(StrEnum):
    """Where the limit comes from."""

    FIXED = "fixed"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class IdleRules:
    """`fixed` is taken as it is; the adaptive limit keeps between `shortest` and `longest`.

    `cold_wait`: what one cold start is worth in all, as time of rent: the boot and the shelving,
    which are paid for, and the wait of whoever sent the job. Raises ValueError.
    """

    policy: IdlePolicy = IdlePolicy.FIXED
    fixed: timedelta = timedelta(minutes=15)
    cold_wait: timedelta = timedelta(minutes=5)
    shortest: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(minutes=15)

    def __post_init__(self) -> None:
        if not timedelta() < self.shortest <= self.longest:
            raise ValueError("the shortest idle limit is above 0 and at most the longest")
        if min(self.fixed, self.cold_wait) < timedelta():
            raise ValueError("an idle limit and the worth of a cold wait are not negative")


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a node had nothing to do, whether it was awake or asleep.

    `began`: its last lease ended, or, after a wake that no job followed, it got ready.
    `next_work_at`: when the job that it claimed next could first have been claimed, which is not
    when it was: the node may have had to be woken. None while it has claimed none.
    `cut_at`: from then on the node could not have been given work (held, parked, quarantined).
    """

    began: datetime
    next_work_at: datetime | None
    cut_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """How long work did not come; not `ended`: it is only known to have been longer than that."""

    length: timedelta
    ended: bool = True


def gaps_of(spells: Iterable[Spell], now: datetime) -> tuple[Gap, ...]:
    """What was known at `now`, oldest spell first.

    Spells from then on are left out, and what came later has not come yet: with the moment at which
    a node became idle for `now`, the limit holds still for as long as that node is idle.
    """
    known = sorted((spell for spell in spells if spell.began < now), key=lambda one: one.began)
    return tuple(_gap(spell, now) for spell in known)


def idle_limit(gaps: Sequence[Gap], rules: IdleRules) -> timedelta:
    """How long a node may be idle. `gaps`, oldest first: see `gaps_of`; more are not needed than
    REMEMBERED of those longer than the shortest limit."""
    if rules.policy is IdlePolicy.FIXED:
        return rules.fixed
    step = _step(rules)
    if not step:
        return rules.shortest
    steps = _worth_it(_survival(gaps, rules), rules.cold_wait / step)
    return min(rules.shortest + steps * step, rules.longest)


def _gap(spell: Spell, now: datetime) -> Gap:
    end = now if spell.cut_at is None else min(now, spell.cut_at)
    if spell.next_work_at is not None and spell.next_work_at <= end:
        # Before `began`: it waited already, and there was no gap.
        return Gap(max(spell.next_work_at - spell.began, timedelta()))
    return Gap(max(end - spell.began, timedelta()), ended=False)


def _step(rules: IdleRules) -> timedelta:
    return (rules.longest - rules.shortest) / STEPS


def _survival(gaps: Sequence[Gap], rules: IdleRules) -> list[float]:
    """For each limit, the share of gaps longer than it, of those longer than the shortest.

    Kaplan and Meier's estimate, in steps; a gap that was cut short counts up to its last whole one.
    To what was seen comes the guess: P(T > t) = shortest / t, under which it is right to stay awake
    for as long as a cold start is worth. Whatever the gaps are like, that costs at most twice what
    knowing the future would. The guess has some gaps end in every step, so that no share is zero.
    """
    ended, cut, seen = _by_step(gaps, rules)
    shares = [1.0]
    for number in range(STEPS):
        seen -= cut[number]
        guessed, left = _guess(number, rules), _guess(number + 1, rules)
        staying = (seen - ended[number] + left) / (seen + guessed)
        shares.append(shares[-1] * staying)
        seen -= ended[number]
    return shares


def _guess(steps: int, rules: IdleRules) -> float:
    return PRIOR_GAPS * (rules.shortest / (rules.shortest + steps * _step(rules)))


def _by_step(gaps: Sequence[Gap], rules: IdleRules) -> tuple[list[float], list[float], float]:
    """Weights of the gaps that ended in each step and of those cut short in it, and of all gaps.

    Gaps no longer than the shortest limit cost the same under every limit: they say nothing, and do
    not make others older. Nor do those that were cut short before the first step was over.
    """
    step = _step(rules)
    least = {True: rules.shortest + timedelta.resolution, False: rules.shortest + step}
    ended, cut, total = [0.0] * STEPS, [0.0] * STEPS, 0.0
    telling = [gap for gap in gaps if gap.length >= least[gap.ended]][-REMEMBERED:]
    for age, gap in enumerate(reversed(telling)):
        weight = 0.5 ** (age / HALF_LIFE)
        total += weight
        beyond = gap.length - rules.shortest
        # A limit of exactly the gap's length still catches its work.
        number = -(-beyond // step) - 1 if gap.ended else beyond // step
        if number < STEPS:
            (ended if gap.ended else cut)[number] += weight
    return ended, cut, total


def _worth_it(shares: Sequence[float], worth: float) -> int:
    """How many steps to go beyond the shortest limit; `worth` of a cold start, in steps of rent.

    From where it stands it looks for the limit with the lowest price for each cold start spared,
    and goes there if it is worth that. Prices rise along this way, and the way does not depend on
    the worth: a higher one never ends in a shorter limit.
    """
    rent = [0.0]
    for before, after in pairwise(shares):
        rent.append(rent[-1] + (before + after) / 2)
    at = 0
    while at < len(shares) - 1:
        price, best = min(
            ((rent[to] - rent[at]) / (shares[at] - shares[to]), to)
            for to in range(at + 1, len(shares))
        )
        if price > worth:
            break
        at = best
    return at

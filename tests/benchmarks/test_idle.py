"""The idle policy holds its bars, and the benchmark that says so counts rightly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import idle
from benchmarks.idle import (
    COLD_WAIT,
    FIXED,
    LONGEST,
    SHORTEST,
    Costs,
    adaptive_cost,
    best_fixed,
    broken,
    clairvoyant_cost,
    cost,
    fixed_cost,
    measure,
)
from benchmarks.idle_days import BOOT, SHELVING, Bill, Job, adaptive, fixed, jobs_of, replay
from benchmarks.idle_families import PROFILES, Family, Profile
from orchestrator.policy.idle import IdlePolicy, IdleRules

RULES = IdleRules(IdlePolicy.ADAPTIVE, cold_wait=timedelta(minutes=COLD_WAIT))
some_gaps = st.lists(st.floats(0, 40), min_size=1, max_size=30)
BY_NAME = {(one.family, one.name): one for one in PROFILES}


def test_the_bars_are_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert idle.main(["--quick", "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert all(profile.name in said for profile in PROFILES)
    assert "of fixed 15 on bimodal and bursts: kept" in said


def test_a_broken_bar_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(idle, "MOST_OVER_BEST", 1.0)
    monkeypatch.setattr(idle, "PROFILES", PROFILES[:1])
    assert idle.main(["--quick", "--seeds", "1"]) == 1
    assert "NOT KEPT: memoryless, mean 3: 1.0" in capsys.readouterr().out


def test_each_family_is_held_to_its_bars() -> None:
    good = Costs(gaps=10, fixed=(9.0, 9.0, 9.0, 10.0), best=8.0, adaptive=8.2, clairvoyant=5.0)
    assert broken([(profile, good) for profile in PROFILES]) == []
    saves_little = replace(good, adaptive=8.55, best=8.5)
    faults = broken([(profile, saves_little) for profile in PROFILES])
    of = {fault.partition(",")[0] for fault in faults}
    assert of == {Family.BURSTS, Family.BIMODAL}
    far_from_best = replace(good, best=7.0)
    assert len(broken([(profile, far_from_best) for profile in PROFILES])) == len(PROFILES)


def test_all_four_families_that_are_asked_for_are_measured() -> None:
    assert {profile.family for profile in PROFILES} >= {
        Family.MEMORYLESS,
        Family.LOGNORMAL,
        Family.BURSTS,
        Family.BIMODAL,
    }
    assert len(BY_NAME) == len(PROFILES)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: f"{one.family}, {one.name}")
def test_gaps_are_as_many_as_six_weeks_hold_and_the_same_for_a_seed(
    profile: Profile,
) -> None:
    gaps = profile.gaps(1)
    assert gaps == profile.gaps(1)
    assert gaps != profile.gaps(2)
    assert len(gaps) >= 300
    assert min(gaps) >= 0


def test_gaps_are_of_the_kind_that_their_family_says() -> None:
    def pooled(family: Family, name: str) -> list[float]:
        return [gap for seed in range(20) for gap in BY_NAME[family, name].gaps(seed)]

    assert mean(pooled(Family.MEMORYLESS, "mean 12")) == pytest.approx(12, rel=0.05)
    assert median(pooled(Family.LOGNORMAL, "median 8, sigma 1.5")) == pytest.approx(8, rel=0.1)
    two = pooled(Family.BIMODAL, "70 % 4 +- 1, or 90")
    assert sum(gap < 8 for gap in two) / len(two) == pytest.approx(0.7, abs=0.02)
    burst = pooled(Family.BURSTS, "one after another, mean 1.5")
    nights = sum(gap > 8 * 60 for gap in burst) / 20
    # 30 working days and some weekends, each but the first after a night.
    assert 28 < nights < 36


@pytest.mark.parametrize(
    ("gap", "limit", "paid"), [(3.0, 5.0, 3.0), (5.0, 5.0, 5.0), (5.1, 5.0, 10.0), (0.0, 2.0, 0.0)]
)
def test_what_one_gap_costs(gap: float, limit: float, paid: float) -> None:
    assert cost(gap, limit, 5.0) == paid


@given(some_gaps, st.floats(SHORTEST, LONGEST), st.floats(0, 20))
def test_no_fixed_limit_beats_the_best_and_nobody_the_clairvoyant(
    gaps: list[float], limit: float, worth: float
) -> None:
    best, rounding = best_fixed(gaps, worth), 1e-6
    assert best <= fixed_cost(gaps, limit, worth) + rounding
    assert clairvoyant_cost(gaps, worth) <= best + rounding
    limits = [SHORTEST, *(gap for gap in gaps if SHORTEST <= gap <= LONGEST)]
    assert best == pytest.approx(min(fixed_cost(gaps, one, worth) for one in limits))


def test_the_policy_does_not_see_what_is_to_come() -> None:
    assert adaptive_cost([600.0], RULES) == 5.0 + COLD_WAIT
    # The first of the two was paid before the second came, whatever the second was.
    assert adaptive_cost([600.0, 1.0], RULES) == 5.0 + COLD_WAIT + 1.0
    limit = adaptive_cost([600.0, 600.0], RULES) - 5.0 - 2 * COLD_WAIT
    assert limit == 3.25


def test_costs_of_several_seeds_are_added_up() -> None:
    profile = PROFILES[0]
    one, other, both = (measure(profile, seeds, RULES) for seeds in ([1], [2], [1, 2]))
    assert both.gaps == one.gaps + other.gaps
    assert both.best == pytest.approx(one.best + other.best)
    assert both.adaptive == pytest.approx(one.adaptive + other.adaptive)
    assert both.worst_seed == max(one.over_best, other.over_best)
    assert len(both.fixed) == len(FIXED)


# The sixty days


def test_a_node_that_sleeps_is_booted_and_a_warm_one_is_not() -> None:
    jobs = [Job(1000.0, 50.0), Job(1200.0, 50.0), Job(9000.0, 50.0)]
    bill = replay(jobs, fixed(5))
    # Ready at 1100, free at 1150, warm at 1200, free at 1250, asleep at 1550.
    assert bill == Bill(busy=150.0, idle=50.0 + 300.0, waited=BOOT + BOOT, starts=2, jobs=3)
    assert bill.billed == 150.0 + 350.0 + 2 * (BOOT + SHELVING)


def test_a_job_that_comes_while_the_node_is_being_shelved_waits_for_it() -> None:
    bill = replay([Job(0.0, 60.0), Job(BOOT + 60.0 + 120.0 + 10.0, 60.0)], fixed(2))
    assert bill.waited == BOOT + (SHELVING - 10.0) + BOOT


def test_a_job_that_comes_while_another_runs_is_no_start() -> None:
    bill = replay([Job(0.0, 60.0), Job(30.0, 60.0)], fixed(2))
    assert (bill.starts, bill.idle, bill.waited) == (1, 0.0, BOOT + 60.0 + BOOT - 30.0)


def test_a_cold_wait_worth_more_buys_fewer_starts_for_more_idle_time() -> None:
    cheap, dear = (replay(jobs_of(1), adaptive(worth)) for worth in (3.0, 30.0))
    assert dear.starts < cheap.starts
    assert dear.idle > cheap.idle
    assert dear.waited < cheap.waited

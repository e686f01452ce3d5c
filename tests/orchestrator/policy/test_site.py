"""Since when nodes have been able to reach us."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.site import Site, longest_gap, looked, settled
from tests.orchestrator.policy.nodes import NOW, ago

EVERY = timedelta(seconds=10)
GAP = timedelta(seconds=30)
LEASE = timedelta(seconds=90)


def test_it_has_been_up_since_the_first_look() -> None:
    seen = looked(Site(None, None), True, NOW, GAP)
    assert seen == Site(NOW, NOW)
    assert not settled(seen, NOW + LEASE - timedelta(seconds=1), LEASE)
    assert settled(seen, NOW + LEASE, LEASE)


def test_a_look_that_fails_begins_anew() -> None:
    away = looked(Site(ago(500), ago(10)), False, NOW, GAP)
    assert not settled(away, NOW, LEASE)
    assert looked(away, True, NOW + EVERY, GAP).up_since == NOW + EVERY


def test_a_time_in_which_nobody_looked_is_a_gap() -> None:
    assert looked(Site(ago(500), ago(31)), True, NOW, GAP).up_since == NOW
    assert looked(Site(ago(500), ago(30)), True, NOW, GAP).up_since == ago(500)


def test_a_slow_cloud_makes_no_gap_and_no_gap_hides_a_lease() -> None:
    call = timedelta(seconds=20)
    assert longest_gap(EVERY, timedelta(seconds=1), LEASE) == GAP
    assert longest_gap(EVERY, call, LEASE) == timedelta(seconds=45)
    assert longest_gap(EVERY, call, timedelta(seconds=200)) == timedelta(seconds=50)
    assert longest_gap(timedelta(seconds=1), timedelta(0), LEASE) == timedelta(seconds=10)


def test_a_last_look_that_lies_ahead_says_nothing() -> None:
    """The clock was set back: for as long as it was, nobody would have been drained."""
    assert looked(Site(ago(500), ago(-3600)), True, NOW, GAP) == Site(NOW, NOW)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), max_size=40))
def test_settled_means_every_look_of_a_whole_lease_found_it_up(
    looks: list[tuple[float, bool]],
) -> None:
    site, now = Site(None, None), NOW
    history = []
    for wait, up in looks:
        now += timedelta(seconds=wait)
        site = looked(site, up, now, GAP)
        history.append((now, up))
    if settled(site, now, LEASE):
        recent = [(at, up) for at, up in history if at >= now - LEASE]
        assert all(up for _, up in recent)
        gaps = [b[0] - a[0] for a, b in pairwise(recent)]
        assert all(gap <= GAP for gap in gaps)

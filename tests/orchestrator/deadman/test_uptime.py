"""How long a server has been awake, as the cloud tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadman.uptime import Action, last_wake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def action(name: str, ago: timedelta, request_id: str = "req") -> Action:
    return Action(name, request_id, NOW - ago)


def hours(actions: list[Action], launched_ago: timedelta | None) -> float | None:
    launched = NOW - launched_ago if launched_ago is not None else None
    found = last_wake(actions, launched, NOW, NOW)
    assert found is not None
    return None if found.seconds_ago is None else found.seconds_ago / 3600


def test_an_offloaded_server_counts_from_the_moment_that_it_was_spawned() -> None:
    assert hours([action("unshelve", 3 * HOUR), action("create", 99 * HOUR)], 2.9 * HOUR) == 2.9


def test_one_that_was_only_powered_on_counts_from_the_request() -> None:
    """It was shelved and not offloaded: Nova leaves launched_at as it was."""
    assert hours([action("unshelve", 3 * HOUR), action("create", 99 * HOUR)], 98 * HOUR) == 3


def test_what_else_is_done_to_it_is_no_waking() -> None:
    done = [action("reboot", HOUR), action("shelve", 2 * HOUR), action("create", 5 * HOUR)]
    assert hours(done, None) == 5


def test_it_may_have_been_created_and_never_unshelved() -> None:
    assert hours([action("create", 5 * HOUR)], 4 * HOUR) == 4


def test_a_list_that_names_no_waking_tells_nothing() -> None:
    assert last_wake([action("reboot", HOUR)], NOW - HOUR, NOW, NOW) is None
    assert last_wake([], NOW - HOUR, NOW, NOW) is None


def test_the_newest_waking_counts_whatever_the_order() -> None:
    actions = [action("create", 9 * HOUR, "old"), action("unshelve", HOUR, "new")]
    for given_in in (actions, actions[::-1]):
        found = last_wake(given_in, None, NOW, NOW)
        assert found is not None
        assert found.request_id == "new"


def test_a_clock_that_differs_from_ours_is_not_believed_and_the_waking_still_known() -> None:
    for cloud_time in (None, NOW + HOUR, NOW - HOUR):
        found = last_wake([action("create", 5 * HOUR)], NOW, cloud_time, NOW)
        assert found is not None
        assert (found.request_id, found.seconds_ago) == ("req", None)


moments = st.integers(min_value=0, max_value=100_000).map(lambda s: NOW - timedelta(seconds=s))


@given(st.lists(moments, min_size=1, max_size=5), moments, st.integers(-300, 300))
def test_it_is_never_longer_than_since_the_last_request(
    wakes: list[datetime], launched: datetime, skew: int
) -> None:
    cloud_time = NOW + timedelta(seconds=skew)
    actions = [Action("unshelve", str(n), at) for n, at in enumerate(wakes)]
    found = last_wake(actions, launched, cloud_time, NOW)
    assert found is not None
    assert found.seconds_ago is not None
    assert 0 <= found.seconds_ago <= max(0.0, (cloud_time - max(wakes)).total_seconds())

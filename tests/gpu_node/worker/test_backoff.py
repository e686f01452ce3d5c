"""How long to wait before trying again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.backoff import BASE_SECONDS, CAP_SECONDS, LONGEST_ASKED_SECONDS, delay, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DICE = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), DICE)
def test_a_wait_is_never_longer_than_the_cap(attempt: int, dice: float) -> None:
    assert 0 <= delay(attempt, dice) <= CAP_SECONDS


@given(st.integers(0, 100), DICE)
def test_the_longest_wait_doubles_until_the_cap(attempt: int, dice: float) -> None:
    assert delay(attempt + 1, dice) >= delay(attempt, dice)
    assert delay(attempt, dice) <= BASE_SECONDS * 2**attempt


def test_the_whole_interval_is_used() -> None:
    assert delay(20, 0.0) == 0
    assert delay(20, 0.5) == CAP_SECONDS / 2


@given(st.integers(0, 100), DICE, st.floats(0, 1e9))
def test_the_server_is_waited_for_as_it_asks(attempt: int, dice: float, asked: float) -> None:
    waited = delay(attempt, dice, asked)
    assert waited >= min(asked, LONGEST_ASKED_SECONDS)
    assert waited <= max(CAP_SECONDS, LONGEST_ASKED_SECONDS)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds

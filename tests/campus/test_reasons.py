"""Why something was sent back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.reasons import LONGEST, tidy_reason
from campus.refusals import Refused


def test_paragraphs_stay_and_what_cannot_be_stored_goes() -> None:
    assert tidy_reason(" Too\0 fast.\r\n\r\n\tLine\x1b 3.\n", "?") == "Too fast.\n\n\tLine 3."


@pytest.mark.parametrize("nothing", ["", " \r\n ", "\0\x07"])
def test_none_is_asked_for(nothing: str) -> None:
    with pytest.raises(Refused, match="Write why"):
        tidy_reason(nothing, "Write why.")


def test_it_has_a_length_and_a_line_break_counts_once() -> None:
    longest = "a\r\n" * (LONGEST // 2 - 1) + "bc"
    assert len(tidy_reason(longest, "?")) == LONGEST
    with pytest.raises(Refused, match="at most 4000"):
        tidy_reason(longest + "d", "?")


@given(st.text())
def test_tidy_is_tidy(text: str) -> None:
    try:
        once = tidy_reason(text, "?")
    except Refused:
        return
    assert "\0" not in once
    assert tidy_reason(once, "?") == once

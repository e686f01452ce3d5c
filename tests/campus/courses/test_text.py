"""Titles and file names, however odd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.courses.text import shown, suffix, tidy, tidy_file_name

LONGEST = 40


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("lesson 1.mp4", "lesson 1.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\one.MOV", "one.MOV"),
        ("a\x00b\ncd.mp4", "abcd.mp4"),
        ("evil\u202e4pm.exe", "evil4pm.exe"),
        ("\u0301\u200d", "\u0301"),
        ("", "unnamed"),
        ("///", "unnamed"),
        ("урок 1.mp4", "урок 1.mp4"),
        ("x" * 60 + ".mp4", "x" * 35 + "….mp4"),
    ],
)
def test_a_file_name_is_made_fit_to_be_shown(given_name: str, kept: str) -> None:
    assert tidy_file_name(given_name, LONGEST) == kept


@given(st.text(max_size=200))
def test_any_file_name_ends_up_short_and_shown(name: str) -> None:
    kept = tidy_file_name(name, LONGEST)
    assert 0 < len(kept) <= LONGEST
    assert shown(kept)
    assert "/" not in kept
    assert "\\" not in kept


@given(st.text(max_size=200))
def test_a_suffix_is_one_that_the_store_takes(name: str) -> None:
    found = suffix(name)
    assert found == "" or (found.startswith(".") and found[1:].isalnum() and found.isascii())


@pytest.mark.parametrize("text", ["a\x00", "tab\there", "line\nbreak", "\u202eturned", "\ud800"])
def test_what_cannot_be_shown_is_known(text: str) -> None:
    assert not shown(text)


@pytest.mark.parametrize("text", ["Урок", "می‌خواهم", "👩‍🏫 class", "naïve"])
def test_real_writing_is_shown(text: str) -> None:
    assert shown(text)


def test_a_title_is_one_line_with_single_spaces() -> None:
    assert tidy("  An  odd   title ") == "An odd title"

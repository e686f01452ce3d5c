"""Subtitles: what fits a screen, and when it is shown."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gpu_node.stages.captions import cues_for

LINE = 42

texts = st.lists(st.text("абвгёжз", min_size=1, max_size=14), min_size=1, max_size=80).map(" ".join)


def test_a_short_line_is_one_cue() -> None:
    (cue,) = cues_for(1.0, 3.0, "Привет, ёж.")
    assert (cue.start, cue.end, cue.text) == (1.0, 3.0, "Привет, ёж.")


def test_line_breaks_that_fit_are_kept() -> None:
    (cue,) = cues_for(0, 2, "First line\nsecond line")
    assert cue.text == "First line\nsecond line"


def test_two_lines_are_about_equally_long() -> None:
    (cue,) = cues_for(0, 2, "This is a sentence of some length that needs two lines")
    first, second = cue.text.split("\n")
    assert abs(len(first) - len(second)) < 12


@given(texts)
def test_no_screen_holds_more_than_two_lines_of_42(text: str) -> None:
    for cue in cues_for(0, 10, text):
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert all(len(line) <= LINE for line in lines)


@given(texts)
def test_no_word_is_lost_and_time_runs_on(text: str) -> None:
    cues = list(cues_for(5.0, 15.0, text))
    assert " ".join(" ".join(c.text.split("\n")) for c in cues).split() == text.split()
    assert cues[0].start == 5.0
    assert abs(cues[-1].end - 15.0) < 1e-9
    assert all(a.end == b.start and a.start < a.end for a, b in itertools.pairwise(cues))

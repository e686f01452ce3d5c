"""HTTP Range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.byte_ranges import Part, Unsatisfiable, Whole, parse

CASES = {
    None: Whole(),
    "": Whole(),
    "bytes=0-": Part(0, 99),
    "bytes=0-0": Part(0, 0),
    "bytes=10-19": Part(10, 19),
    "bytes=90-200": Part(90, 99),
    "bytes=-10": Part(90, 99),
    "bytes=-200": Part(0, 99),
    "bytes=100-": Unsatisfiable(),
    "bytes=-0": Unsatisfiable(),
    "bytes=5-4": Whole(),
    "bytes=-": Whole(),
    "bytes=0-1,5-6": Whole(),
    "lines=0-1": Whole(),
    "bytes=a-b": Whole(),
    "bytes=٣-٤": Whole(),
    "bytes=" + "9" * 40 + "-": Whole(),
}


@pytest.mark.parametrize("header", CASES, ids=repr)
def test_of_a_hundred_bytes(header: str | None) -> None:
    assert parse(header, 100) == CASES[header]


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,5}-\d{0,5}"), st.integers(0, 1000))
def test_a_part_always_lies_in_the_file(header: str, size: int) -> None:
    part = parse(header, size)
    if isinstance(part, Part):
        assert 0 <= part.first <= part.last < size
        assert part.length == part.last - part.first + 1

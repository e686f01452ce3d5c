"""Logs: one JSON object per line, and no signed address in them."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.logs import JsonFormatter, NoQueries, without_queries

SIGNED = "/blobs/abc123?u=r&n=5&e=1790000000&s=deadbeef"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"GET {SIGNED} HTTP/1.1", "GET /blobs/abc123?… HTTP/1.1"),
        (f'"{SIGNED}" twice "{SIGNED}"', '"/blobs/abc123?…" twice "/blobs/abc123?…"'),
        ("https://a.example/x?s=1", "https://a.example/x?…"),
        ("what? no=thing", "what? no=thing"),
        ("Really?", "Really?"),
    ],
)
def test_query_strings_are_left_out(said: str, written: str) -> None:
    assert without_queries(said) == written


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8))
def test_no_signature_is_ever_written(signature: str) -> None:
    assert signature not in without_queries(f"Not found: /blobs/x?e=1&s={signature}")


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("a.b", logging.WARNING, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_the_filter_reads_arguments_too() -> None:
    made = record("Forbidden: %s", SIGNED)
    assert NoQueries().filter(made)
    assert made.getMessage() == "Forbidden: /blobs/abc123?…"


def test_a_line_is_json_with_what_was_passed_along() -> None:
    line = json.loads(JsonFormatter().format(record("Hello %s", "you\nthere", job="j-1")))
    assert line["message"] == "Hello you\nthere"
    assert (line["level"], line["logger"], line["job"]) == ("warning", "a.b", "j-1")
    assert line["time"].endswith("+00:00")


def test_errors_come_with_their_trace() -> None:
    made = record("Failed")
    try:
        raise ValueError(SIGNED)
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert "ValueError" in line
    assert "deadbeef" not in line

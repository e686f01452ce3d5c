"""Small graphs that note who was run, and what their threads and observers need."""

from __future__ import annotations

import threading
from typing import Any

from gpu_node.contracts.base import Contract
from gpu_node.contracts.errors import ItemFailed, Reason
from gpu_node.graph import Graph, Outcomes, Stage
from gpu_node.runner import Progress

PATIENCE = 30.0
"""Seconds before a thread that waits for another gives up: the other one will not come."""


class Text(Contract):
    text: str


class Line(Contract):
    id: str
    text: str = ""


class Lines(Contract):
    items: tuple[Line, ...]


class Calls:
    """Who was run, in order. Threads may write at once."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._lock = threading.Lock()

    def note(self, call: str) -> None:
        with self._lock:
            self._made.append(call)

    def taken(self) -> list[str]:
        """The calls since the last look."""
        with self._lock:
            made, self._made = self._made, []
        return made


def lines(*texts: str) -> Lines:
    """Items a, b, c, … with these texts."""
    return Lines(items=tuple(Line(id=chr(97 + n), text=text) for n, text in enumerate(texts)))


def meet(event: threading.Event) -> None:
    assert event.wait(PATIENCE), "what should happen meanwhile does not"


def joined(done: Outcomes[Text]) -> Text:
    values = [f"{key}={value.text}" for key, value in done.values.items()]
    failures = [f"{key}!{failure.stage}" for key, failure in done.failures.items()]
    return Text(text=" ".join(values + failures))


def chain(calls: Calls, given: Lines, **options: Any) -> Graph:
    """lines ─ first ─ second ─ total, in which items whose text says "bad" fail in `first`."""

    def first(item: Line) -> Text:
        calls.note(f"first {item.id}")
        if "bad" in item.text:
            raise ItemFailed(Reason.SPEECH_FAILED, "This one is bad.")
        return Text(text=item.text.lower())

    def second(item: Line, first: Text) -> Text:
        calls.note(f"second {item.id}")
        return Text(text=first.text + "!")

    def total(done: Outcomes[Text]) -> Text:
        calls.note("total")
        return joined(done)

    return Graph(
        {"lines": given},
        (
            Stage("first", "1", first, each="lines", **options),
            Stage("second", "1", second, {"first": "first"}, each="lines", **options),
            Stage("total", "1", total, {"done": "second"}),
        ),
    )


def check_story(story: list[Progress]) -> None:
    """From nothing to everything, never back."""
    done = [progress.done for progress in story]
    assert done == sorted(done)
    assert [progress.finished for progress in story] == [False] * (len(story) - 1) + [True]
    assert all(0 <= p.done <= p.total and p.seconds >= 0 for p in story)
    assert story[-1].done == story[-1].total
    reused = [progress.reused for progress in story]
    assert reused == sorted(reused)

"""Items flow on by themselves, side by side, within the limits."""

from __future__ import annotations

import threading

import pytest

from gpu_node.artefacts import Store
from gpu_node.graph import Graph, Stage
from gpu_node.runner import run_graph
from tests.gpu_node.runner.graphs import PATIENCE, Calls, Line, Text, chain, lines, meet


def test_an_item_goes_on_while_later_ones_are_not_done(store: Store) -> None:
    first_is_through = threading.Event()

    def early(item: Line) -> Text:
        if item.id == "c":
            meet(first_is_through)
        return Text(text=item.text)

    def late(item: Line, early: Text) -> Text:
        if item.id == "a":
            first_is_through.set()
        return early

    graph = Graph(
        {"lines": lines("1", "2", "3")},
        (
            Stage("early", "1", early, each="lines"),
            Stage("late", "1", late, {"early": "early"}, each="lines"),
        ),
    )
    run_graph(graph, store, workers=2)
    assert first_is_through.is_set()


def test_with_one_worker_an_item_is_finished_before_the_next_is_begun(store: Store) -> None:
    calls = Calls()
    run_graph(chain(calls, lines("1", "2", "3")), store, workers=1)
    expected = [f"{stage} {item}" for item in "abc" for stage in ("first", "second")]
    assert calls.taken() == [*expected, "total"]


def test_independent_stages_run_side_by_side(store: Store) -> None:
    here = threading.Barrier(2)

    def meeting(name: Text) -> Text:
        here.wait(PATIENCE)
        return name

    stages = tuple(Stage(name, "1", meeting, {"name": "name"}) for name in ("left", "right"))
    run_graph(Graph({"name": Text(text="x")}, stages), store, workers=2)


class Crowd:
    """Counts who is in at once.

    Each waits until `size` are in, so that so many really come, and then a little for one more.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._full = threading.Barrier(size)
        self._lock = threading.Lock()
        self._inside = 0
        self.too_many = threading.Event()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > self._size:
                self.too_many.set()
        self._full.wait(PATIENCE)
        self.too_many.wait(0.1)
        with self._lock:
            self._inside -= 1


@pytest.mark.parametrize(("concurrency", "workers"), [(1, 6), (2, 6), (6, 2), (3, 3)])
def test_limits_are_used_and_kept(store: Store, concurrency: int, workers: int) -> None:
    crowd = Crowd(min(concurrency, workers))

    def work(item: Line) -> Text:
        crowd.enter()
        return Text(text=item.text)

    graph = Graph(
        {"lines": lines(*"123456")},
        (Stage("work", "1", work, each="lines", concurrency=concurrency),),
    )
    run_graph(graph, store, workers=workers)
    assert not crowd.too_many.is_set()

"""What an observer sees meanwhile."""

from __future__ import annotations

import pytest

from gpu_node.artefacts import Store
from gpu_node.graph import Graph, Stage, StageContext
from gpu_node.runner import Progress, run_graph
from tests.gpu_node.runner.graphs import Calls, Line, Lines, Text, chain, check_story, lines


def test_progress_only_grows_and_tells_each_end_once(store: Store) -> None:
    seen: list[Progress] = []

    def never(item: Line) -> Text:
        raise AssertionError("there are no items")

    def wavers(ctx: StageContext, name: Text) -> Text:
        # A stage may go over its file more than once, or count further than it promised.
        for share in (0.0, 0.5, 0.2, 0.7, 1.5, 0.9):
            ctx.progress(share)
        return name

    graph = chain(Calls(), lines("1", "bad", "3"), concurrency=2)
    graph = Graph(
        {**graph.sources, "name": Text(text="x"), "none": Lines(items=())},
        (
            *graph,
            Stage("wavers", "1", wavers, {"name": "name"}),
            Stage("empty", "1", never, each="none"),
        ),
    )
    for _ in range(2):
        seen.clear()
        run_graph(graph, store, observer=seen.append)
        for stage in graph:
            check_story([progress for progress in seen if progress.stage == stage.name])
    assert {p.stage: p.reused for p in seen if p.finished} == {
        "first": 2,
        "second": 2,
        "total": 1,
        "wavers": 1,
        "empty": 0,
    }


def test_an_observer_that_fails_is_heard(store: Store) -> None:
    def observer(progress: Progress) -> None:
        raise RuntimeError("no screen")

    with pytest.raises(RuntimeError, match="no screen"):
        run_graph(chain(Calls(), lines("1")), store, observer=observer)

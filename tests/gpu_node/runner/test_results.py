"""What comes out of a run: each stage's value, in order, and the failures of items."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from gpu_node.artefacts import Store
from gpu_node.contracts.base import Contract
from gpu_node.contracts.errors import Reason
from gpu_node.graph import Graph, ItemFailure, Stage, StageContext
from gpu_node.runner import GraphResult, run_graph
from tests.gpu_node.runner.graphs import Calls, Line, Lines, Text, chain, joined, lines, meet


class Greeting(Contract):
    word: str


def test_a_plain_graph_gives_each_stage_what_it_asks_for(store: Store) -> None:
    def greet(settings: Greeting, name: Text) -> Text:
        return Text(text=f"{settings.word}, {name.text}")

    def shout(ctx: StageContext, greeting: Text, name: Text) -> Text:
        ctx.progress(0.5)
        return Text(text=f"{greeting.text}! {name.text}!".upper())

    graph = Graph(
        {"name": Text(text="Elinor")},
        (
            Stage("greet", "1", greet, {"name": "name"}, settings=Greeting(word="Hello")),
            Stage("shout", "1", shout, {"greeting": "greet", "name": "name"}),
        ),
    )
    result = run_graph(graph, store)
    assert result.values == {
        "greet": Text(text="Hello, Elinor"),
        "shout": Text(text="HELLO, ELINOR! ELINOR!"),
    }
    assert {name: timing.tasks for name, timing in result.timings.items()} == {
        "greet": 1,
        "shout": 1,
    }


def test_a_graph_without_stages_is_done_at_once(store: Store) -> None:
    assert run_graph(Graph({}, ()), store) == GraphResult({}, {})


def test_values_are_in_the_order_of_the_items_however_they_finish(store: Store) -> None:
    finished = {key: threading.Event() for key in "abc"}
    after = {"a": "b", "b": "c"}

    def wait(item: Line) -> Text:
        if item.id in after:
            meet(finished[after[item.id]])
        finished[item.id].set()
        return Text(text=item.text)

    graph = Graph(
        {"lines": lines("1", "2", "3")},
        (
            Stage("wait", "1", wait, each="lines", concurrency=3),
            Stage("total", "1", joined, {"done": "wait"}),
        ),
    )
    assert run_graph(graph, store, workers=3).values["total"] == Text(text="a=1 b=2 c=3")


def test_one_items_failure_stays_with_it_and_is_not_tried_further_down(store: Store) -> None:
    calls = Calls()
    result = run_graph(chain(calls, lines("1", "bad", "3")), store)
    assert result.values["total"] == Text(text="a=1! c=3! b!first")
    failure = ItemFailure(
        id="b", stage="first", reason=Reason.SPEECH_FAILED, sentence="This one is bad."
    )
    for stage in ("first", "second"):
        assert result.values[stage].failures == {"b": failure}
        assert list(result.values[stage].values) == ["a", "c"]
    made = calls.taken()
    assert "second b" not in made
    assert Counter(made) == Counter(
        ["first a", "first b", "first c", "second a", "second c", "total"]
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(lines(), "", id="no items"),
        pytest.param(lines("bad"), "a!first", id="the only item fails"),
        pytest.param(lines("bad", "bad", "bad"), "a!first b!first c!first", id="every item fails"),
    ],
)
@pytest.mark.parametrize("workers", [1, 4])
def test_the_end_is_reached_when_nothing_is_left_to_run(
    store: Store, given: Lines, expected: str, workers: int
) -> None:
    # Nothing runs then that could, by ending, make the runner look again.
    calls = Calls()
    result = run_graph(chain(calls, given), store, workers=workers)
    assert result.values["total"] == Text(text=expected)
    assert [call for call in calls.taken() if call.startswith("second")] == []


def test_two_items_of_one_id_are_refused(store: Store) -> None:
    twins = Lines(items=(Line(id="a", text="1"), Line(id="a", text="2")))
    with pytest.raises(ValueError, match="two items of lines are called a"):
        run_graph(chain(Calls(), twins), store)

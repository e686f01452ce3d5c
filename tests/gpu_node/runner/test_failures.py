"""An error, a full disk or a wish to stop ends the run, and nothing finished is lost."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from gpu_node.artefacts import Store
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.graph import Graph, Stage, StageContext
from gpu_node.runner import run_graph
from tests.gpu_node.runner.graphs import Calls, Line, Text, chain, lines, meet


class Unheard(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("broken"),
        DubfleetError(Reason.INPUT_DAMAGED, "Broken."),
        KeyboardInterrupt(),
        SystemExit(3),
        Unheard(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_first_error_stops_everything_and_is_raised(store: Store, error: BaseException) -> None:
    calls = Calls()
    running = threading.Event()

    def fine(name: Text) -> Text:
        calls.note("fine")
        return name

    def breaks(name: Text) -> Text:
        meet(running)
        raise error

    def runs(ctx: StageContext, name: Text) -> Text:
        running.set()
        meet(ctx.stop)
        calls.note("told to stop")
        raise DubfleetError(Reason.CANCELLED, "Stopped.")

    def follows(name: Text) -> Text:
        calls.note("follows")
        return name

    graph = Graph(
        {"name": Text(text="x")},
        (
            Stage("fine", "1", fine, {"name": "name"}),
            Stage("breaks", "1", breaks, {"name": "fine"}),
            Stage("runs", "1", runs, {"name": "fine"}),
            Stage("follows", "1", follows, {"name": "runs"}),
        ),
    )
    with pytest.raises(type(error)) as raised:
        run_graph(graph, store, workers=2)
    assert raised.value is error
    assert calls.taken() == ["fine", "told to stop"]
    # What was finished before stays finished.
    with pytest.raises(type(error)):
        run_graph(graph, store, workers=2)
    assert calls.taken() == ["told to stop"]


def test_an_item_failure_where_there_are_no_items_fails_the_job(store: Store) -> None:
    def fails(name: Text) -> Text:
        raise ItemFailed(Reason.SPEECH_FAILED, "No.")

    graph = Graph({"name": Text(text="x")}, (Stage("fails", "1", fails, {"name": "name"}),))
    with pytest.raises(ItemFailed, match=r"No\."):
        run_graph(graph, store)


def test_an_error_of_one_item_that_is_not_its_own_fails_the_job(store: Store) -> None:
    def fails(item: Line) -> Text:
        raise DubfleetError(Reason.PROGRAM_MISSING, "There is no program.")

    graph = Graph({"lines": lines("1")}, (Stage("fails", "1", fails, each="lines"),))
    with pytest.raises(DubfleetError) as raised:
        run_graph(graph, store)
    assert raised.value.reason is Reason.PROGRAM_MISSING


def test_a_full_disk_is_said_in_words(store: Store) -> None:
    def writes(name: Text) -> Text:
        with Path("/dev/full").open("w") as file:
            file.write(name.text)
        return name

    graph = Graph({"name": Text(text="x")}, (Stage("writes", "1", writes, {"name": "name"}),))
    with pytest.raises(DubfleetError, match="disk is full") as raised:
        run_graph(graph, store)
    assert raised.value.reason is Reason.DISK_FULL


def test_a_disk_that_fills_up_under_the_store_is_said_in_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Store, key: str, record: bytes) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(Store, "remember", full)
    with pytest.raises(DubfleetError) as raised:
        run_graph(chain(Calls(), lines("1")), store)
    assert raised.value.reason is Reason.DISK_FULL


def test_a_wish_to_stop_reaches_what_runs(store: Store) -> None:
    stop, calls = threading.Event(), Calls()

    def runs(ctx: StageContext, name: Text) -> Text:
        stop.set()
        meet(ctx.stop)
        raise DubfleetError(Reason.CANCELLED, "Stopped.")

    def follows(name: Text) -> Text:
        calls.note("follows")
        return name

    graph = Graph(
        {"name": Text(text="x")},
        (
            Stage("runs", "1", runs, {"name": "name"}),
            Stage("follows", "1", follows, {"name": "runs"}),
        ),
    )
    with pytest.raises(DubfleetError) as raised:
        run_graph(graph, store, stop=stop)
    assert raised.value.reason is Reason.CANCELLED
    assert calls.taken() == []


def test_what_ends_after_the_wish_to_stop_is_kept(store: Store) -> None:
    stop, calls = threading.Event(), Calls()

    def deaf(name: Text) -> Text:
        calls.note("deaf")
        stop.set()
        return name

    graph = Graph({"name": Text(text="x")}, (Stage("deaf", "1", deaf, {"name": "name"}),))
    with pytest.raises(DubfleetError) as raised:
        run_graph(graph, store, stop=stop)
    assert raised.value.reason is Reason.CANCELLED
    assert run_graph(graph, store).timings["deaf"].reused == 1
    assert calls.taken() == ["deaf"]


def test_who_is_told_to_stop_before_the_start_begins_nothing(store: Store) -> None:
    stop, calls = threading.Event(), Calls()
    stop.set()
    with pytest.raises(DubfleetError) as raised:
        run_graph(chain(calls, lines("1")), store, stop=stop)
    assert raised.value.reason is Reason.CANCELLED
    assert calls.taken() == []

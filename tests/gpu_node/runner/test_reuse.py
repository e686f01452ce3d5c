"""What is not done again, and what is: after a change, a failure or damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_node.artefacts import Store, digest_of
from gpu_node.contracts.base import Contract
from gpu_node.contracts.blobs import Blob
from gpu_node.graph import Graph, Stage, StageContext
from gpu_node.runner import run_graph
from tests.gpu_node.runner.graphs import Calls, Line, Lines, Text, chain, lines


class File(Contract):
    blob: Blob


def test_a_second_run_runs_nothing(store: Store) -> None:
    calls = Calls()
    first = run_graph(chain(calls, lines("1", "2")), store)
    assert len(calls.taken()) == 5
    second = run_graph(chain(calls, lines("1", "2")), store)
    assert calls.taken() == []
    assert second.values == first.values
    assert [timing.reused for timing in second.timings.values()] == [2, 2, 1]


def test_a_new_version_is_new_work_and_the_old_results_stay(store: Store) -> None:
    calls = Calls()

    def graph(version: str) -> Graph:
        def note(name: Text) -> Text:
            calls.note(version)
            return Text(text=version)

        return Graph({"name": Text(text="x")}, (Stage("note", version, note, {"name": "name"}),))

    for version in ("1", "2", "1"):
        assert run_graph(graph(version), store).values["note"].text == version
    assert calls.taken() == ["1", "2"]


def test_a_change_that_makes_no_difference_goes_no_further(store: Store) -> None:
    calls = Calls()
    run_graph(chain(calls, lines("HELLO", "2")), store)
    calls.taken()
    # The item itself is new to `second`, too; only what follows sees the same as before.
    run_graph(chain(calls, lines("hello", "2")), store)
    assert calls.taken() == ["first a", "second a"]


def test_only_the_changed_items_work_is_done_again(store: Store) -> None:
    calls = Calls()
    run_graph(chain(calls, lines("1", "2", "3")), store)
    calls.taken()
    result = run_graph(chain(calls, lines("1", "two", "3")), store)
    assert calls.taken() == ["first b", "second b", "total"]
    assert result.values["total"] == Text(text="a=1! b=two! c=3!")


def test_items_in_another_order_are_gathered_in_that_order(store: Store) -> None:
    calls, given = Calls(), lines("1", "2")
    run_graph(chain(calls, given), store)
    calls.taken()
    turned = Lines(items=given.items[::-1])
    assert run_graph(chain(calls, turned), store).values["total"] == Text(text="b=2! a=1!")
    assert calls.taken() == ["total"]


def test_a_failed_item_is_tried_again_and_the_others_are_not(store: Store) -> None:
    calls = Calls()
    run_graph(chain(calls, lines("1", "bad")), store)
    calls.taken()
    run_graph(chain(calls, lines("1", "bad")), store)
    assert calls.taken() == ["first b"]


def writing(calls: Calls) -> Graph:
    """name ─ write (a file) ─ read (its content)."""

    def write(ctx: StageContext, name: Text) -> File:
        calls.note("write")
        (ctx.folder / "thrown away").write_text("x")
        path = ctx.new_file("made.txt")
        path.write_text(name.text * 100)
        return File(blob=ctx.keep(path))

    def read(ctx: StageContext, file: File) -> Text:
        calls.note("read")
        return Text(text=ctx.path(file.blob).read_text())

    return Graph(
        {"name": Text(text="x")},
        (Stage("write", "1", write, {"name": "name"}), Stage("read", "1", read, {"file": "write"})),
    )


def test_files_that_are_not_kept_are_thrown_away(store: Store) -> None:
    run_graph(writing(Calls()), store)
    assert list((store.root / "scratch").iterdir()) == []
    assert [path.suffix for path in store.root.glob("objects/*/*")] == [".txt"]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:7])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_damaged_file_is_made_again_and_what_follows_is_not(
    store: Store, damage: Callable[[Path], None]
) -> None:
    calls = Calls()
    whole = run_graph(writing(calls), store).values
    (file,) = store.root.glob("objects/*/*")
    damage(file)
    calls.taken()
    assert run_graph(writing(calls), store).values == whole
    assert calls.taken() == ["write"]
    assert file.read_text() == "x" * 100


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_damaged_records_are_work_done_again(store: Store, damage: Callable[[Path], None]) -> None:
    calls = Calls()
    whole = run_graph(writing(calls), store).values
    records = list(store.root.glob("records/*/*"))
    assert len(records) == 2
    for record in records:
        damage(record)
    calls.taken()
    assert run_graph(writing(calls), store).values == whole
    assert calls.taken() == ["write", "read"]
    assert run_graph(writing(calls), store).values == whole
    assert calls.taken() == []


def test_a_record_of_another_shape_is_work_done_again(store: Store) -> None:
    calls, graph = Calls(), chain(Calls(), lines("1"))
    stage = next(iter(graph))
    store.remember(stage.key({"item": digest_of(Line(id="a", text="1"))}), b'{"words":["one"]}')
    result = run_graph(chain(calls, lines("1")), store)
    assert "first a" in calls.taken()
    assert result.values["first"].values == {"a": Text(text="1")}

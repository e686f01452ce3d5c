"""A job kind is data: a second one (`tests.support.count_kind`) runs like the dub."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gpu_node.artefacts import Store, digest_file
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import JobSpec, Payload
from gpu_node.cost import Cost
from gpu_node.graph import Graph, Stage
from gpu_node.kinds.dub import DUB
from gpu_node.kinds.kind import Kind, open_job
from gpu_node.runner import run_graph
from tests.support.count_kind import COUNT, Counter, CountReport, OpenedCount, Total, split

KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in (DUB, COUNT)}

TEXT = """It was the best of times
it was the worst of times, and it was very much longer than the first of the lines

it was the age of wisdom
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    with store.exclusive():
        yield store


def adopted(store: Store, folder: Path, name: str, content: str) -> Blob:
    path = folder / f"{name}.txt"
    path.write_text(content, encoding="utf-8")
    return store.adopt(path, digest_file(path))


def sent(payload: Mapping[str, object], inputs: Mapping[str, Blob]) -> JobSpec:
    """A job as it arrives: written as JSON by one machine, read by another."""
    written = JobSpec(payload=dict(payload), inputs=dict(inputs)).model_dump_json()
    return JobSpec.model_validate_json(written)


@pytest.fixture
def inputs(store: Store, tmp_path: Path) -> Mapping[str, Blob]:
    return {
        "text": adopted(store, tmp_path, "text", TEXT),
        "ignored": adopted(store, tmp_path, "ignored", "the of"),
    }


def test_a_second_kind_runs_by_the_same_runner(store: Store, inputs: Mapping[str, Blob]) -> None:
    with open_job(sent({"kind": "count", "version": 1}, inputs), KINDS, store) as opened:
        assert isinstance(opened, OpenedCount)
        result = run_graph(opened.graph, store)
        assert not opened.counter.closed
    assert opened.counter.closed
    done: Total = result.values["total"]
    assert done.words == 4 + 0 + 4
    assert done.uncounted == ("l002",)
    assert store.path(done.page).read_text() == "l001 4\nl003 0\nl004 4"
    failure = result.values["count"].failures["l002"]
    assert (failure.stage, failure.sentence) == ("count", "This line is too long: break it.")


def test_a_second_kind_says_what_it_gives(store: Store, inputs: Mapping[str, Blob]) -> None:
    with open_job(sent({"kind": "count", "version": 1}, inputs), KINDS, store) as opened:
        result = run_graph(opened.graph, store)
        delivery = opened.deliver(result, Cost(seconds=2.5, peak_memory_mb=100.0))
    assert delivery.outputs == {"page": result.values["total"].page}
    assert delivery.result == CountReport(words=8, uncounted=("l002",), seconds=2.5)


def test_a_second_kind_does_no_work_twice_either(
    store: Store, tmp_path: Path, inputs: Mapping[str, Blob]
) -> None:
    counted = []
    edited = adopted(store, tmp_path, "edited", TEXT.replace("wisdom", "great foolishness"))
    for given in (inputs, inputs, {**inputs, "text": edited}):
        with open_job(sent({"kind": "count", "version": 1}, given), KINDS, store) as opened:
            assert isinstance(opened, OpenedCount)
            run_graph(opened.graph, store)
            counted.append(sorted(opened.counter.counted))
    # The line that failed is tried each time; of the others, only the edited one.
    assert counted == [["l001", "l002", "l003", "l004"], ["l002"], ["l002", "l004"]]


def test_the_payload_reaches_the_stages(store: Store, inputs: Mapping[str, Blob]) -> None:
    payload = {"kind": "count", "version": 1, "longest_line": 500}
    with open_job(sent(payload, inputs), KINDS, store) as opened:
        done: Total = run_graph(opened.graph, store).values["total"]
    assert done.uncounted == ()
    assert done.words == 4 + 13 + 4


def test_two_kinds_work_in_one_store_without_taking_each_others_results(
    store: Store, inputs: Mapping[str, Blob]
) -> None:
    with open_job(sent({"kind": "count", "version": 1}, inputs), KINDS, store) as opened:
        first: Total = run_graph(opened.graph, store).values["total"]
    other = Graph(
        {"text": inputs["text"]}, (Stage("split", "another kind's", split, {"text": "text"}),)
    )
    assert run_graph(other, store).timings["split"].reused == 0
    with open_job(sent({"kind": "count", "version": 1}, inputs), KINDS, store) as opened:
        assert run_graph(opened.graph, store).values["total"] == first


def test_the_kind_that_the_payload_names_is_opened(
    store: Store, inputs: Mapping[str, Blob]
) -> None:
    opened: list[str] = []

    @contextmanager
    def open_other(
        payload: Payload,
        inputs: Mapping[str, Blob],
        store: Store,
        stop: threading.Event | None,
    ) -> Iterator[OpenedCount]:
        opened.append(payload.kind)
        yield OpenedCount(Graph({}, ()), Counter())

    kinds: Mapping[str, Kind[Any]] = {
        "count": COUNT,
        "other": Kind("other", Payload, open_other),
    }
    with open_job(sent({"kind": "other", "version": 7}, inputs), kinds, store) as job:
        assert tuple(job.graph) == ()
    assert opened == ["other"]


def test_what_a_kind_refuses_is_refused_before_any_work(store: Store) -> None:
    job = open_job(sent({"kind": "count", "version": 1}, {}), KINDS, store)
    with pytest.raises(DubfleetError, match="needs a text") as refused, job:
        pytest.fail("the job was opened")
    assert refused.value.reason is Reason.INPUT_MISSING
    assert list(store.root.glob("records/*/*")) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"kind": "count", "version": 1},
        {"kind": "dub", "version": 1, "source_language": "en", "target_language": "es"},
    ],
    ids=["count", "dub"],
)
def test_a_job_is_given_up_while_it_is_opened(
    store: Store, inputs: Mapping[str, Blob], payload: Mapping[str, object]
) -> None:
    stop = threading.Event()
    stop.set()
    given = {**inputs, "lesson": inputs["text"]} if payload["kind"] == "dub" else inputs
    with (
        pytest.raises(DubfleetError) as refused,
        open_job(sent(payload, given), KINDS, store, stop),
    ):
        pytest.fail("the job was opened")
    assert refused.value.reason is Reason.CANCELLED


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        pytest.param(
            {"kind": "narration", "version": 1},
            "This node does not know jobs of kind 'narration', only: count, dub.",
            id="a kind of tomorrow",
        ),
        pytest.param(
            {"version": 1},
            "This node does not know jobs of kind None, only: count, dub.",
            id="no kind",
        ),
        pytest.param(
            {"kind": "count", "version": 2},
            "This count job was written by another version of the program.",
            id="a version of tomorrow",
        ),
        pytest.param(
            {"kind": "count", "version": 1, "shortest_line": 3},
            "This count job was written by another version of the program.",
            id="a field of tomorrow",
        ),
        pytest.param(
            {"kind": "dub", "version": 2, "source_language": "en", "target_language": "es"},
            "This dub job was written by another version of the program.",
            id="a dub of tomorrow",
        ),
        pytest.param(
            {"kind": "dub", "version": 1, "source_language": "English"},
            "This dub job was written by another version of the program.",
            id="half a dub",
        ),
    ],
)
def test_a_job_of_another_program_is_refused_with_a_sentence(
    store: Store, payload: Mapping[str, object], sentence: str
) -> None:
    with pytest.raises(DubfleetError) as refused:
        open_job(sent(payload, {}), KINDS, store)
    assert refused.value.sentence == sentence
    assert refused.value.reason is Reason.INTERNAL


def test_the_operator_is_told_which_field_was_not_understood(store: Store) -> None:
    with pytest.raises(DubfleetError) as refused:
        open_job(sent({"kind": "count", "version": 1, "shortest_line": 3}, {}), KINDS, store)
    assert "shortest_line" in refused.value.detail
    assert "shortest_line" not in refused.value.sentence


def test_a_job_of_another_contract_is_not_even_read() -> None:
    with pytest.raises(ValidationError, match="contract_version"):
        JobSpec.model_validate_json('{"contract_version": 2, "payload": {}, "inputs": {}}')

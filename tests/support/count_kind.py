"""A second kind of job, made of nothing but what is in this file: count a text's words, by lines.

Some words are ignored, and lines that are too long are not counted at all. For tests that watch it
from outside, `diary` names a file that gets a line for each line counted, and `gate` one that keeps
every line with the word "wait" waiting for as long as it exists; with "deaf" it does not even
listen when it is told to stop. Lines with the word "nap" take a twentieth of a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gpu_node.artefacts import Store
from gpu_node.contracts.base import Contract, Document
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason, stopped
from gpu_node.contracts.jobs import Payload
from gpu_node.cost import Cost
from gpu_node.graph import Graph, Outcomes, Stage, StageContext
from gpu_node.kinds.kind import Delivery, Kind
from gpu_node.runner import GraphResult


class CountPayload(Payload):
    kind: Literal["count"] = "count"
    version: Literal[1] = 1
    longest_line: int = 80
    diary: str = ""
    gate: str = ""


class Line(Contract):
    id: str
    text: str


class Lines(Contract):
    items: tuple[Line, ...]


class Ignored(Contract):
    words: tuple[str, ...]


class LineLimit(Contract):
    characters: int


class Count(Contract):
    words: int


class Total(Contract):
    words: int
    uncounted: tuple[str, ...]
    page: Blob


class CountReport(Document):
    """What a finished count says."""

    words: int
    uncounted: tuple[str, ...]
    seconds: float


def split(ctx: StageContext, text: Blob) -> Lines:
    read = ctx.path(text).read_text(encoding="utf-8").splitlines()
    return Lines(items=tuple(Line(id=f"l{n:03}", text=line) for n, line in enumerate(read, 1)))


def ignored(ctx: StageContext, words: Blob) -> Ignored:
    return Ignored(words=tuple(ctx.path(words).read_text(encoding="utf-8").split()))


@dataclass(slots=True)
class Counter:
    """Stands for an engine: it is opened with the job and closed with it."""

    diary: str = ""
    gate: str = ""
    counted: list[str] = field(default_factory=list)
    closed: bool = False

    def count(self, ctx: StageContext, settings: LineLimit, item: Line, ignored: Ignored) -> Count:
        self._note(item)
        words = item.text.split()
        while self.gate and {"wait", "deaf"} & set(words) and Path(self.gate).exists():
            if ctx.stop.wait(0.02) and "deaf" not in words:
                raise stopped()
            time.sleep(0.02)
        if "nap" in words:
            time.sleep(0.05)
        if "crash" in words:
            raise RuntimeError("this line is a mistake")
        if len(item.text) > settings.characters:
            raise ItemFailed(Reason.NOTHING_TO_SPEAK, "This line is too long: break it.")
        return Count(words=sum(word not in ignored.words for word in words))

    def _note(self, item: Line) -> None:
        self.counted.append(item.id)
        if self.diary:
            with Path(self.diary).open("a", encoding="utf-8") as diary:
                diary.write(f"{item.id}\n")


def total(ctx: StageContext, counts: Outcomes[Count]) -> Total:
    page = ctx.new_file("page.txt")
    page.write_text("\n".join(f"{key} {one.words}" for key, one in counts.values.items()))
    return Total(
        words=sum(one.words for one in counts.values.values()),
        uncounted=tuple(counts.failures),
        page=ctx.keep(page),
    )


@dataclass(frozen=True, slots=True)
class OpenedCount:
    graph: Graph
    counter: Counter

    def deliver(self, result: GraphResult, cost: Cost) -> Delivery:
        done: Total = result.values["total"]
        return Delivery(
            outputs={"page": done.page},
            result=CountReport(words=done.words, uncounted=done.uncounted, seconds=cost.seconds),
        )


@contextmanager
def open_count(
    payload: CountPayload,
    inputs: Mapping[str, Blob],
    store: Store,
    stop: threading.Event | None = None,
) -> Iterator[OpenedCount]:
    if stop is not None and stop.is_set():
        raise stopped()
    if inputs.keys() != {"text", "ignored"}:
        raise DubfleetError(Reason.INPUT_MISSING, "A count needs a text and the ignored words.")
    counter = Counter(payload.diary, payload.gate)
    stages = (
        Stage("split", "1", split, {"text": "text"}),
        Stage("ignored", "1", ignored, {"words": "ignored_words"}),
        Stage(
            "count",
            "1",
            counter.count,
            {"ignored": "ignored"},
            settings=LineLimit(characters=payload.longest_line),
            each="split",
            concurrency=2,
        ),
        Stage("total", "1", total, {"counts": "count"}),
    )
    sources = {"text": inputs["text"], "ignored_words": inputs["ignored"]}
    try:
        yield OpenedCount(Graph(sources, stages), counter)
    finally:
        counter.closed = True


COUNT = Kind("count", CountPayload, open_count)

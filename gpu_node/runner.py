"""Runs any graph of stages: as parallel as it allows, resumable at every item.

One coordinator owns all state; worker threads only run stages (which wait for other programs or
compute with the interpreter's lock released) and answer through a queue. A task whose record is in
the store is not run again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gpu_node.artefacts import Store, blobs_in, digest_of, is_disk_full
from gpu_node.contracts.base import Contract
from gpu_node.contracts.errors import ItemFailed, disk_full, stopped
from gpu_node.graph import Graph, Item, ItemFailure, Outcomes, Stage, StageContext

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage is. `done` is items, or a share of 1 when the stage does not fan out."""

    stage: str
    done: float
    total: float
    reused: int
    finished: bool
    seconds: float
    """From the moment its first task began."""


Observer = Callable[[Progress], None]


@dataclass(slots=True)
class StageTiming:
    """`busy` adds up what its tasks took, `wall` runs from the first start to the last end."""

    busy: float = 0.0
    started: float | None = None
    ended: float | None = None
    reused: int = 0
    tasks: int = 0

    @property
    def wall(self) -> float:
        return (self.ended or 0.0) - (self.started or 0.0)


@dataclass(frozen=True, slots=True)
class GraphResult:
    """Every stage's value (`Outcomes` for a fan-out) and what it took."""

    values: Mapping[str, Any]
    timings: Mapping[str, StageTiming]


def run_graph(
    graph: Graph,
    store: Store,
    *,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
    workers: int | None = None,
) -> GraphResult:
    """Run a graph to its end. The store must be held (`Store.exclusive`).

    Raises the first error that is not one item's own, after every running task has been told to
    stop and has ended; what was finished stays in the store. `stop` is how they are told, so it is
    set after an error: use a new one for each run.
    """
    coordinator = _Coordinator(graph, store, observer or _ignore, stop or threading.Event())
    return coordinator.run(workers or max(2, os.cpu_count() or 2))


def _ignore(_: Progress) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _Task:
    stage: Stage
    item: Item | None


@dataclass(frozen=True, slots=True)
class _Done:
    task: _Task
    value: Contract | ItemFailure | None
    reused: bool
    started: float
    ended: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Share:
    task: _Task
    share: float


@dataclass(slots=True)
class _StageState:
    stage: Stage
    waiting: list[Item | None] | None = None
    """Tasks not yet begun; None until it is known which items there are."""
    running: int = 0
    share: float = 0.0
    """The most its task has said is done; a task may go over its file more than once."""
    values: dict[str, Contract] = field(default_factory=dict)
    failures: dict[str, ItemFailure] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    result: Any = None
    complete: bool = False
    timing: StageTiming = field(default_factory=StageTiming)


class _Coordinator:
    def __init__(
        self, graph: Graph, store: Store, observer: Observer, stop: threading.Event
    ) -> None:
        self._sources = graph.sources
        self._states = {stage.name: _StageState(stage) for stage in graph}
        self._store = store
        self._observer = observer
        self._stop = stop
        self._news: queue.SimpleQueue[_Done | _Share] = queue.SimpleQueue()
        self._running = 0
        self._settled = 0
        """Tasks, and stages without any, whose end is known."""

    def run(self, workers: int) -> GraphResult:
        with ThreadPoolExecutor(workers, thread_name_prefix="stage") as pool:
            try:
                self._dispatch(pool, workers)
                while self._running:
                    self._listen()
                    self._dispatch(pool, workers)
            except BaseException:
                # The pool's exit waits for running tasks; they end soon, for they look at `stop`.
                self._stop.set()
                raise
        if self._stop.is_set():
            raise stopped()
        return GraphResult(
            {name: state.result for name, state in self._states.items()},
            {name: state.timing for name, state in self._states.items()},
        )

    def _listen(self) -> None:
        """Hear one piece of news, or notice that we have been told to stop."""
        if self._stop.is_set():
            raise stopped()
        with contextlib.suppress(queue.Empty):
            self._hear(self._news.get(timeout=_LOOK_SECONDS))

    def _hear(self, news: _Done | _Share) -> None:
        state = self._states[news.task.stage.name]
        if isinstance(news, _Share):
            if not state.complete:
                state.share = max(state.share, min(1.0, news.share))
                self._tell(state)
            return
        self._running -= 1
        state.running -= 1
        if news.error is not None:
            raise news.error
        timing = state.timing
        timing.started = min(timing.started or news.started, news.started)
        timing.ended = max(timing.ended or news.ended, news.ended)
        timing.busy += news.ended - news.started
        timing.reused += news.reused
        timing.tasks += 1
        self._settle(state, news.task.item, news.value)

    def _settle(
        self, state: _StageState, item: Item | None, value: Contract | ItemFailure | None
    ) -> None:
        self._settled += 1
        key = item.id if item is not None else ""
        if isinstance(value, ItemFailure):
            state.failures[key] = value
        elif value is not None:
            state.values[key] = value
        self._complete_if_all_done(state)
        self._tell(state)

    def _complete_if_all_done(self, state: _StageState) -> None:
        if state.stage.each is None:
            state.result, state.complete = state.values[""], True
        elif len(state.values) + len(state.failures) == len(state.order):
            state.result = Outcomes(
                {key: state.values[key] for key in state.order if key in state.values},
                {key: state.failures[key] for key in state.order if key in state.failures},
            )
            state.complete = True

    def _tell(self, state: _StageState) -> None:
        timing, now = state.timing, time.monotonic()
        fans_out = state.stage.each is not None
        done = float(len(state.values) + len(state.failures)) if fans_out else state.share
        total = float(len(state.order)) if fans_out else 1.0
        self._observer(
            Progress(
                stage=state.stage.name,
                done=total if state.complete else done,
                total=total,
                reused=timing.reused,
                finished=state.complete,
                seconds=now - (timing.started or now),
            )
        )

    def _dispatch(self, pool: ThreadPoolExecutor, workers: int) -> None:
        """Begin whatever can begin. Later stages first, so that items flow through."""
        looking = not self._stop.is_set()
        while looking:
            settled = self._settled
            for state in reversed(self._states.values()):
                self._open(state)
                while (
                    state.waiting
                    and self._running < workers
                    and state.running < state.stage.concurrency
                    and self._begin_next(state, pool)
                ):
                    pass
            # What was settled without being run frees stages that have been looked at already.
            looking = self._settled != settled

    def _open(self, state: _StageState) -> None:
        """List a stage's tasks once it is known what they are."""
        if state.waiting is not None:
            return
        if state.stage.each is None:
            state.waiting = [None]
            return
        items = self._value(state.stage.each)
        if items is not None:
            state.waiting = list(items.items)
            state.order = tuple(item.id for item in items.items)
            for key, count in Counter(state.order).items():
                if count > 1:
                    raise ValueError(f"two items of {state.stage.each} are called {key}")
            if not state.order:
                self._settled += 1
                self._complete_if_all_done(state)
                self._tell(state)

    def _begin_next(self, state: _StageState, pool: ThreadPoolExecutor) -> bool:
        """Begin the first waiting task whose inputs are there; False when there is none."""
        assert state.waiting is not None  # noqa: S101  # `_dispatch` looked
        for position, item in enumerate(state.waiting):
            inputs = self._inputs(state.stage, item)
            if inputs is None:
                continue
            del state.waiting[position]
            failed = next((v for v in inputs.values() if isinstance(v, ItemFailure)), None)
            if failed is not None:
                # What failed upstream fails here without being tried.
                self._settle(state, item, failed)
                return True
            state.running += 1
            self._running += 1
            if state.timing.started is None:
                state.timing.started = time.monotonic()
                self._tell(state)
            pool.submit(self._work, _Task(state.stage, item), inputs)
            return True
        return False

    def _inputs(self, stage: Stage, item: Item | None) -> dict[str, Any] | None:
        """The values a task needs, or None while one is missing."""
        found: dict[str, Any] = {}
        for parameter, name in stage.inputs.items():
            feeder = self._states.get(name)
            if feeder is not None and feeder.stage.each == stage.each and item is not None:
                value = feeder.values.get(item.id) or feeder.failures.get(item.id)
            else:
                value = self._value(name)
            if value is None:
                return None
            found[parameter] = value
        return found

    def _value(self, name: str) -> Any:
        if name in self._sources:
            return self._sources[name]
        state = self._states[name]
        return state.result if state.complete else None

    def _work(self, task: _Task, inputs: Mapping[str, Any]) -> None:
        """In a worker thread: recall or run one task, and report."""
        started = time.monotonic()
        value: Contract | ItemFailure | None = None
        reused = False
        error: BaseException | None = None
        try:
            value, reused = self._recall_or_run(task, inputs)
        except ItemFailed as failure:
            if task.item is None:
                error = failure
            else:
                value = ItemFailure(
                    id=task.item.id,
                    stage=task.stage.name,
                    reason=failure.reason,
                    sentence=failure.sentence,
                )
        except BaseException as raised:  # it is raised again by the coordinator
            error = disk_full(str(raised)) if is_disk_full(raised) else raised
        self._news.put(_Done(task, value, reused, started, time.monotonic(), error))

    def _recall_or_run(self, task: _Task, inputs: Mapping[str, Any]) -> tuple[Contract, bool]:
        stage = task.stage
        digests = {name: _digest(value) for name, value in inputs.items()}
        if task.item is not None:
            digests["item"] = digest_of(task.item)
        key = stage.key(digests)
        recalled = self._recall(key, stage.result_type)
        if recalled is not None:
            return recalled, True
        arguments: dict[str, Any] = dict(inputs)
        if stage.settings is not None:
            arguments["settings"] = stage.settings
        if task.item is not None:
            arguments["item"] = task.item
        if self._stop.is_set():
            raise stopped()
        with self._store.scratch() as folder:
            context = StageContext(
                self._store, folder, self._stop, lambda share: self._news.put(_Share(task, share))
            )
            if "ctx" in stage.parameters:
                arguments["ctx"] = context
            value = stage.run(**arguments)
            self._store.remember(key, value.model_dump_json().encode())
        return value, False

    def _recall(self, key: str, result: type[Contract]) -> Contract | None:
        record = self._store.recall(key)
        if record is None:
            return None
        try:
            value = result.model_validate_json(record)
        except ValidationError:
            log.warning("the record %s is damaged; its work is done again", key)
            return None
        return value if all(self._store.intact(blob) for blob in blobs_in(value)) else None


def _digest(value: Any) -> str:
    return value.digest() if isinstance(value, Outcomes) else digest_of(value)

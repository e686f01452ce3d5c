"""Any graph at all gives what a simple loop gives, whatever other runs left in the store."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.artefacts import Store
from gpu_node.runner import Progress, run_graph
from tests.gpu_node.runner.graphs import Calls, check_story
from tests.gpu_node.runner.reference import Reference, Spec, plans, told, wired


@contextlib.contextmanager
def fresh_store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        with store.exclusive():
            yield store


THREADS = st.integers(1, 4)
MANY = settings(deadline=None, max_examples=60)


@MANY
@given(plans(), THREADS)
def test_any_graph_gives_what_a_simple_loop_gives(specs: tuple[Spec, ...], workers: int) -> None:
    calls, stories = Calls(), list[Progress]()
    with fresh_store() as store:
        graph = wired(specs, "one", calls.note)
        expected = Reference().run(specs, "one")
        result = run_graph(graph, store, workers=workers, observer=stories.append)
        assert told(result.values) == told(expected.values)
        assert Counter(calls.taken()) == Counter(expected.called)
        for spec in specs:
            check_story([progress for progress in stories if progress.stage == spec.name])
        # Again: only what failed is tried, and the result is the same.
        again = run_graph(graph, store, workers=workers)
        assert told(again.values) == told(expected.values)
        assert Counter(calls.taken()) == Counter(expected.failed)


@MANY
@given(plans(), THREADS, st.lists(st.sampled_from(["one", "two", "three"]), max_size=4))
def test_what_other_runs_left_in_the_store_changes_no_result(
    specs: tuple[Spec, ...], workers: int, seeds: list[str]
) -> None:
    with fresh_store() as store:
        for seed in [*seeds, "one"]:
            result = run_graph(wired(specs, seed, Calls().note), store, workers=workers)
            assert told(result.values) == told(Reference().run(specs, seed).values)


@MANY
@given(plans(), plans(), THREADS)
def test_a_graph_that_has_been_rebuilt_takes_up_only_what_is_still_true(
    before: tuple[Spec, ...], after: tuple[Spec, ...], workers: int
) -> None:
    # Stages of the same names, wired otherwise.
    with fresh_store() as store:
        for specs in (before, after, before):
            result = run_graph(wired(specs, "one", Calls().note), store, workers=workers)
            assert told(result.values) == told(Reference().run(specs, "one").values)


@MANY
@given(plans(), THREADS, st.integers(0, 30))
def test_after_a_crash_nothing_finished_is_done_again(
    specs: tuple[Spec, ...], workers: int, survived: int
) -> None:
    started, left = Calls(), threading.Semaphore(survived)

    def ran(call: str) -> None:
        if not left.acquire(blocking=False):
            raise RuntimeError("the machine is gone")
        started.note(call)

    expected = Reference().run(specs, "one")
    with fresh_store() as store:
        with contextlib.suppress(RuntimeError):
            run_graph(wired(specs, "one", ran), store, workers=workers)
        first = Counter(started.taken())
        second = Calls()
        result = run_graph(wired(specs, "one", second.note), store, workers=workers)
        assert told(result.values) == told(expected.values)
        # Each call was made once in the two runs together, but those of failed items twice.
        made = first + Counter(second.taken())
        assert {call: count for call, count in made.items() if call not in expected.failed} == {
            call: 1 for call in expected.called if call not in expected.failed
        }

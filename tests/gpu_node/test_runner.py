"""The runner gives what a simple loop would give, sooner, and does no work twice."""

from __future__ import annotations

import contextlib
import errno
import inspect
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.artefacts import Store, canonical, digest_of
from gpu_node.contracts.base import Contract
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.graph import Graph, ItemFailure, Outcomes, Stage, StageContext
from gpu_node.runner import GraphResult, Progress, run_graph

PATIENCE = 30.0
"""Seconds before a thread that waits for another gives up: the other one will not come."""


class Text(Contract):
    text: str


class Line(Contract):
    id: str
    text: str = ""


class Lines(Contract):
    items: tuple[Line, ...]


class File(Contract):
    blob: Blob


class Greeting(Contract):
    word: str


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    with store.exclusive():
        yield store


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


# What comes out.


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


# How it flows.


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


# What goes wrong.


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


def test_an_observer_that_fails_is_heard(store: Store) -> None:
    def observer(progress: Progress) -> None:
        raise RuntimeError("no screen")

    with pytest.raises(RuntimeError, match="no screen"):
        run_graph(chain(Calls(), lines("1")), store, observer=observer)


# What is not done again.


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


# What is seen meanwhile.


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


def check_story(story: list[Progress]) -> None:
    """From nothing to everything, never back."""
    done = [progress.done for progress in story]
    assert done == sorted(done)
    assert [progress.finished for progress in story] == [False] * (len(story) - 1) + [True]
    assert all(0 <= p.done <= p.total and p.seconds >= 0 for p in story)
    assert story[-1].done == story[-1].total
    reused = [progress.reused for progress in story]
    assert reused == sorted(reused)


# Any graph at all, against a loop that is too simple to be wrong.


@dataclass(frozen=True, slots=True)
class Spec:
    """A stage of a random graph. It makes a list or a text, and fails for some of its items."""

    name: str
    inputs: tuple[str, ...]
    each: str | None = None
    makes_list: bool = False
    concurrency: int = 1
    fails: frozenset[int] = frozenset()
    """Positions in the list."""


Value = Text | Lines | Outcomes[Text]


class Toy:
    """A stage's function with whatever inputs; what it gives depends on all it was given."""

    def __init__(self, spec: Spec, hints: Mapping[str, Any], ran: Callable[[str], None]) -> None:
        self._spec = spec
        self._ran = ran
        names = [*hints, *(["item"] if spec.each else [])]
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        )
        self.__annotations__ = {
            **hints,
            "item": Line,
            "return": Lines if spec.makes_list else Text,
        }

    def __call__(self, item: Line | None = None, **inputs: Value) -> Text | Lines:
        self._ran(f"{self._spec.name} {item.id if item else ''}")
        return compute(self._spec, inputs, item)


def compute(spec: Spec, inputs: Mapping[str, Value], item: Line | None) -> Text | Lines:
    if item is not None and int(item.id.partition("-")[2]) in spec.fails:
        raise ItemFailed(Reason.SPEECH_FAILED, f"{spec.name} cannot do {item.id}.")
    given = [spelt(inputs[name]) for name in sorted(inputs)]
    parts = [spec.name, item.model_dump() if item else None, *given]
    term = digest_of(parts)[:12]
    if not spec.makes_list:
        return Text(text=term)
    ids = [f"{spec.name}-{position}" for position in range(int(term, 16) % 4)]
    # Whose items come in which order depends on the inputs as well.
    ids.sort(key=lambda key: digest_of([term, key]))
    return Lines(items=tuple(Line(id=key, text=term[:1]) for key in ids))


def spelt(value: Value) -> object:
    if isinstance(value, Outcomes):
        return [
            [[key, one.text] for key, one in value.values.items()],
            [[key, one.model_dump(mode="json")] for key, one in value.failures.items()],
        ]
    return value.model_dump()


@st.composite
def plans(draw: st.DrawFn) -> tuple[Spec, ...]:
    """Up to seven stages; each reads some of those before it and perhaps fans out over a list."""
    specs: list[Spec] = []
    lists: list[str] = []
    for number in range(draw(st.integers(1, 7))):
        readable = ["seed", *(spec.name for spec in specs)]
        each = draw(st.sampled_from([None, *lists, *lists]))
        makes_list = each is None and draw(st.booleans())
        specs.append(
            Spec(
                name=f"s{number}",
                inputs=tuple(draw(st.lists(st.sampled_from(readable), unique=True, max_size=3))),
                each=each,
                makes_list=makes_list,
                concurrency=draw(st.integers(1, 3)),
                fails=draw(st.frozensets(st.integers(0, 3), max_size=2)) if each else frozenset(),
            )
        )
        lists += [f"s{number}"] if makes_list else []
    return tuple(specs)


def wired(specs: tuple[Spec, ...], seed: str, ran: Callable[[str], None]) -> Graph:
    by_name = {spec.name: spec for spec in specs}

    def hint(reader: Spec, name: str) -> Any:
        feeder = by_name.get(name)
        if feeder is None:
            return Text
        if feeder.makes_list:
            return Lines
        return Outcomes[Text] if feeder.each and feeder.each != reader.each else Text

    return Graph(
        {"seed": Text(text=seed)},
        tuple(
            Stage(
                spec.name,
                version(spec),
                Toy(spec, {f"p_{name}": hint(spec, name) for name in spec.inputs}, ran),
                {f"p_{name}": name for name in spec.inputs},
                each=spec.each,
                concurrency=spec.concurrency,
            )
            for spec in specs
        ),
    )


def version(spec: Spec) -> str:
    """A version covers the code, and that is all of a toy's code that differs."""
    return digest_of([spec.makes_list, sorted(spec.fails)])


@dataclass(slots=True)
class Reference:
    """What one loop over the stages gives, and whom it called."""

    values: dict[str, Any] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self, specs: tuple[Spec, ...], seed: str) -> Reference:
        self.values["seed"] = Text(text=seed)
        own = {spec.name: spec.each for spec in specs}
        for spec in specs:
            if spec.each is None:
                inputs = {name: self.values[name] for name in spec.inputs}
                self.called.append(f"{spec.name} ")
                self.values[spec.name] = compute(spec, inputs, None)
                continue
            found: dict[str, Text | ItemFailure] = {}
            for item in self.values[spec.each].items:
                inputs = {
                    name: one_of(self.values[name], item.id)
                    if own.get(name) == spec.each
                    else self.values[name]
                    for name in spec.inputs
                }
                found[item.id] = self._one(spec, inputs, item)
            self.values[spec.name] = Outcomes(
                {key: value for key, value in found.items() if isinstance(value, Text)},
                {key: value for key, value in found.items() if isinstance(value, ItemFailure)},
            )
        del self.values["seed"]
        return self

    def _one(self, spec: Spec, inputs: Mapping[str, Any], item: Line) -> Text | ItemFailure:
        for value in inputs.values():
            if isinstance(value, ItemFailure):
                return value
        self.called.append(f"{spec.name} {item.id}")
        try:
            made = compute(spec, inputs, item)
        except ItemFailed as failed:
            self.failed.append(f"{spec.name} {item.id}")
            return ItemFailure(
                id=item.id, stage=spec.name, reason=failed.reason, sentence=failed.sentence
            )
        assert isinstance(made, Text)
        return made


def one_of(outcomes: Outcomes[Text], key: str) -> Text | ItemFailure:
    return outcomes.values[key] if key in outcomes.values else outcomes.failures[key]


def told(values: Mapping[str, Any]) -> bytes:
    """Every value as text, so that the order of items counts."""
    return canonical([[name, spelt(value)] for name, value in values.items()])


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

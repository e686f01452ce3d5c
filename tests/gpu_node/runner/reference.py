"""Random graphs, and a loop over their stages that is too simple to be wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from gpu_node.artefacts import canonical, digest_of
from gpu_node.contracts.errors import ItemFailed, Reason
from gpu_node.graph import Graph, ItemFailure, Outcomes, Stage
from tests.gpu_node.runner.graphs import Line, Lines, Text


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

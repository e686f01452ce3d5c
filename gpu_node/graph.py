"""What a job kind is made of: stages, wired by name, checked when the graph is built.

A stage is a function of its inputs. Its parameters are named in `inputs`, each after the stage or
source that feeds it; its result is one frozen model, whose `Blob` fields stand for files. A stage
with `each` runs once per item of that list, and item by item: the third line is spoken while the
fourth is translated. A stage without `each` that takes such a result waits for all items and gets
`Outcomes`: the values, and the failures of single items.
"""

from __future__ import annotations

import functools
import inspect
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gpu_node.artefacts import Store, digest_of
from gpu_node.contracts.base import Contract
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason

T = TypeVar("T", bound=Contract)

_RESERVED = frozenset({"item", "settings", "ctx"})
"""Parameters that are not inputs."""


class Item(Protocol):
    """Anything that can be fanned out over: a value with a permanent id."""

    @property
    def id(self) -> str: ...


class ItemList(Protocol):
    """A stage's result that others may fan out over."""

    @property
    def items(self) -> tuple[Item, ...]: ...


class ItemFailure(Contract):
    """Why one item has no value, and which stage said so."""

    id: str
    stage: str
    reason: Reason
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[T]):
    """What a fan-out gave: in the order of the items, every id in exactly one of the two."""

    values: Mapping[str, T]
    failures: Mapping[str, ItemFailure]

    def digest(self) -> str:
        # Lists, not objects: whoever gathers can see the order, so it is part of what there is.
        values = [(key, digest_of(value)) for key, value in self.values.items()]
        failures = [(key, digest_of(failure)) for key, failure in self.failures.items()]
        return digest_of([values, failures])


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage may do besides computing: files, progress, and noticing that it must stop."""

    store: Store
    folder: Path
    stop: threading.Event
    progress: Callable[[float], None]
    """Called with the share done, 0 to 1."""

    def path(self, blob: Blob) -> Path:
        return self.store.path(blob)

    def new_file(self, name: str) -> Path:
        """A path in this task's own scratch folder; what is not kept is thrown away."""
        return self.folder / name

    def keep(self, file: Path) -> Blob:
        return self.store.keep(file)

    def seconds_done(self, total: float) -> Callable[[float], None]:
        """Progress for programs that report in seconds of `total`."""
        return lambda seconds: self.progress(min(1.0, seconds / total) if total > 0 else 1.0)


class WiringError(TypeError):
    """The graph cannot work. A programming error, found when the graph is built."""


@dataclass(frozen=True)
class Stage:
    """One step. `version` covers the code and the engine: change it, and the work is done again.

    `run` gets the value of each input by name, `item` when it fans out, `settings` when there
    are any, and `ctx`, a StageContext, if it asks for it: a pure stage does not.
    """

    name: str
    version: str
    run: Callable[..., Contract]
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Contract | None = None
    each: str | None = None
    concurrency: int = 1

    @property
    def result_type(self) -> type[Contract]:
        result = _hints(self.run).get("return")
        if not (isinstance(result, type) and issubclass(result, Contract)):
            raise WiringError(f"stage {self.name} must say which Contract it returns")
        return result

    @property
    def parameters(self) -> frozenset[str]:
        """What `run` still asks for; what a partial has filled in is not asked for."""
        run = self.run
        filled = run.keywords if isinstance(run, functools.partial) else {}
        return frozenset(inspect.signature(run).parameters) - frozenset(filled)

    def key(self, digests: Mapping[str, str]) -> str:
        """The name of this piece of work: everything its result depends on, hashed."""
        return digest_of(
            {
                "stage": self.name,
                "version": self.version,
                "settings": digest_of(self.settings) if self.settings else None,
                "inputs": dict(digests),
            }
        )


@dataclass(frozen=True)
class Graph:
    """Stages in an order in which each comes after what it reads. Raises WiringError if not."""

    sources: Mapping[str, Contract]
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        types: dict[str, Any] = {name: type(value) for name, value in self.sources.items()}
        known: dict[str, Stage] = {}
        for stage in self.stages:
            if stage.name in types:
                raise WiringError(f"two things are called {stage.name}")
            self._check(stage, types, known)
            types[stage.name] = stage.result_type
            known[stage.name] = stage

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def _check(self, stage: Stage, types: Mapping[str, Any], known: Mapping[str, Stage]) -> None:
        for feeds in (*stage.inputs.values(), *filter(None, [stage.each])):
            if feeds not in types:
                raise WiringError(f"stage {stage.name} reads {feeds}, which comes from nowhere")
        for taken in sorted(_RESERVED & set(stage.inputs)):
            raise WiringError(f"stage {stage.name}: {taken} is taken, name the input otherwise")
        given = {
            parameter: _fed(feeds, stage, types, known) for parameter, feeds in stage.inputs.items()
        }
        if stage.each:
            given["item"] = _item_type(stage.name, stage.each, types, known)
        if stage.settings:
            given["settings"] = type(stage.settings)
        parameters = stage.parameters - {"ctx"}
        if parameters != set(given):
            raise WiringError(f"stage {stage.name} takes {parameters}, is given {set(given)}")
        hints = _hints(stage.run)
        for parameter, value in given.items():
            wanted = hints.get(parameter)
            if wanted != value and not _narrower(value, wanted):
                raise WiringError(f"stage {stage.name}: {parameter} is {wanted}, not {value}")


def _fed(feeds: str, stage: Stage, types: Mapping[str, Any], known: Mapping[str, Stage]) -> Any:
    """The type of what an input gets: one value, or all that another fan-out gave."""
    feeder = known.get(feeds)
    gathers = feeder is not None and feeder.each is not None and feeder.each != stage.each
    return Outcomes[types[feeds]] if gathers else types[feeds]  # type: ignore[valid-type]  # built at run time


def _item_type(name: str, each: str, types: Mapping[str, Any], known: Mapping[str, Stage]) -> Any:
    single = each not in known or known[each].each is None
    items = types[each].model_fields.get("items") if single else None
    if items is None:
        raise WiringError(f"stage {name} fans out over {each}, which has no items")
    return next(iter(typing.get_args(items.annotation)), None)


def _narrower(given: Any, wanted: Any) -> bool:
    if wanted is Any:
        return True
    return isinstance(given, type) and isinstance(wanted, type) and issubclass(given, wanted)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return typing.get_type_hints(function)

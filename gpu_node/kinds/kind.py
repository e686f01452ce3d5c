"""What every kind of job has in common, and how a job finds its kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import ValidationError

from gpu_node.artefacts import Store
from gpu_node.contracts.base import Document
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import JobSpec, Payload
from gpu_node.cost import Cost
from gpu_node.graph import Graph
from gpu_node.runner import GraphResult

P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a finished job gives: files by the names its kind knows them by, and a document."""

    outputs: Mapping[str, Blob]
    result: Document


class Opened(Protocol):
    """A job that is ready to run, and that knows what becomes of its finished graph."""

    @property
    def graph(self) -> Graph: ...

    def deliver(self, result: GraphResult, cost: Cost) -> Delivery: ...


def _needs_nothing() -> None:
    """A kind that runs wherever this program does."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[P]):
    """One kind of job. `open` yields its graph and frees its engines at the end.

    `open(payload, inputs, store, stop)` refuses what cannot be done before any work begins. That
    may take seconds (engines are asked what they can do), so it gives up with CANCELLED when
    `stop` is set meanwhile. `check` raises DubfleetError when this machine lacks what every job of
    the kind needs.
    """

    name: str
    payload: type[P]
    open: Callable[
        [P, Mapping[str, Blob], Store, threading.Event | None], AbstractContextManager[Opened]
    ]
    check: Callable[[], None] = _needs_nothing


def open_job(
    spec: JobSpec,
    kinds: Mapping[str, Kind[Any]],
    store: Store,
    stop: threading.Event | None = None,
) -> AbstractContextManager[Opened]:
    """The graph of a job, whatever its kind. Raises DubfleetError(INTERNAL) for a foreign one."""
    kind = kinds.get(str(spec.payload.get("kind")))
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise DubfleetError(
            Reason.INTERNAL,
            f"This node does not know jobs of kind {spec.payload.get('kind')!r}, only: {known}.",
        )
    try:
        payload = kind.payload.model_validate(spec.payload)
    except ValidationError as error:
        raise DubfleetError(
            Reason.INTERNAL,
            f"This {kind.name} job was written by another version of the program.",
            detail=str(error),
        ) from error
    return kind.open(payload, spec.inputs, store, stop)

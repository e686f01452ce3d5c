"""Statements as data: the same ones are for the store in memory and for the database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from hypothesis import strategies as st

from orchestrator.models import Attempt, Job, LedgerEntry, Node
from orchestrator.states import AttemptOutcome, Cause, Gate, JobState

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MOMENTS = [START + timedelta(seconds=10 * at) for at in range(4)]
NODES = [uuid.UUID(int=number) for number in range(1, 4)]
JOBS = [uuid.UUID(int=number) for number in range(101, 105)]

MODELS: dict[str, type[models.Model]] = {
    "node": Node,
    "job": Job,
    "attempt": Attempt,
    "ledger": LedgerEntry,
}

nodes = st.sampled_from(NODES)
jobs = st.sampled_from(JOBS)
moments = st.sampled_from(MOMENTS)
maybe = st.none() | moments


@dataclass(frozen=True, slots=True)
class Insert:
    """By `create`, or by `save` of a new instance, or several at once."""

    model: str
    rows: Sequence[dict[str, Any]]
    how: str


@dataclass(frozen=True, slots=True)
class Update:
    model: str
    where: Q
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """A question. `order` may be empty: then the answer is compared without one."""

    model: str
    where: Q
    without: Q
    order: tuple[str, ...]
    what: str
    cut: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Save:
    """Change the first row that is found, through an instance of it."""

    model: str
    where: Q
    changes: dict[str, Any]
    whole: bool


@dataclass(frozen=True, slots=True)
class SaveAll:
    model: str
    where: Q
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fetch:
    """get_or_create, or update_or_create."""

    facts: dict[str, Any]
    update: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A transaction in the transaction. `ends`: kept, given up, or broken off by an exception."""

    inside: Sequence[Any]
    ends: str


QUESTIONS = {
    "node": ["name", "gate", "wanted", "parked", "gate_since", "busy_until", "failures", "pk"],
    "job": ["kind", "state", "priority", "dedupe", "created_at", "started_at", "steps", "pk"],
    "attempt": ["number", "outcome", "job", "node_id", "node__name", "job__state", "lease_until"],
    "ledger": ["cause", "node", "job", "job__priority", "started_at", "ended_at"],
}

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["a", "b", "c"]),
    "gate": st.sampled_from(list(Gate)),
    "wanted": st.sampled_from(["awake", "asleep"]),
    "parked": st.booleans(),
    "gate_since": maybe,
    "busy_until": maybe,
    "failures": st.integers(0, 2),
    "kind": st.sampled_from(["x", "y"]),
    "state": st.sampled_from(list(JobState)),
    "priority": st.integers(-1, 1),
    "dedupe": st.sampled_from(["", "k", "l"]),
    "created_at": moments,
    "started_at": moments,
    "steps": st.integers(0, 3),
    "number": st.integers(1, 3),
    "outcome": st.sampled_from([AttemptOutcome.RUNNING, AttemptOutcome.EXPIRED]),
    "job": jobs,
    "node": nodes,
    "node_id": nodes,
    "node__name": st.sampled_from(["a", "b", "c"]),
    "job__state": st.sampled_from(list(JobState)),
    "job__priority": st.integers(-1, 1),
    "lease_until": moments,
    "cause": st.sampled_from([Cause.JOB, Cause.IDLE]),
    "ended_at": maybe,
}


def _rows(model: str) -> st.SearchStrategy[dict[str, Any]]:
    common: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "node": {"id": nodes, "name": _VALUES["name"], "created_at": moments},
        "job": {
            "id": jobs,
            "kind": _VALUES["kind"],
            "payload": st.sampled_from([{}, {"a": [1, 2]}, []]),
            "dedupe": _VALUES["dedupe"],
            "priority": _VALUES["priority"],
            "created_at": moments,
            "not_before": moments,
        },
        "attempt": {
            "job_id": jobs,
            "node_id": nodes,
            "number": _VALUES["number"],
            "outcome": _VALUES["outcome"],
            "claimed_at": moments,
            "lease_until": moments,
        },
        "ledger": {
            "node_id": nodes,
            "job_id": st.none() | jobs,
            "cause": _VALUES["cause"],
            "started_at": moments,
            "ended_at": maybe,
        },
    }
    return st.fixed_dictionaries(common[model])


@st.composite
def _lookup(draw: st.DrawFn, model: str) -> Q:
    names = QUESTIONS[model]
    name = draw(st.sampled_from(names))
    if name == "pk":
        value = nodes if model == "node" else jobs
        return (
            Q(pk=draw(value))
            if draw(st.booleans())
            else Q(pk__in=draw(st.lists(value, min_size=1)))
        )
    value = _VALUES[name]
    how = draw(st.sampled_from(["", "in", "isnull", "order", "f"]))
    if how == "in":
        return Q(**{f"{name}__in": list(draw(st.lists(value, min_size=1, max_size=3)))})
    if how == "isnull":
        return Q(**{f"{name}__isnull": draw(st.booleans())})
    if how == "order" and name in ("created_at", "started_at", "lease_until", "steps", "priority"):
        comparison = draw(st.sampled_from(["lt", "lte", "gt", "gte"]))
        return Q(**{f"{name}__{comparison}": draw(value)})
    if how == "f" and name in ("gate_since", "busy_until"):
        other = draw(st.sampled_from(["gate_since", "busy_until", "created_at"]))
        comparison = draw(st.sampled_from(["", "__lt", "__gte"]))
        return Q(**{f"{name}{comparison}": F(other)})
    return Q(**{name: draw(value)})


def _where(model: str) -> st.SearchStrategy[Q]:
    def deeper(inner: st.SearchStrategy[Q]) -> st.SearchStrategy[Q]:
        pairs = st.tuples(inner, inner)
        return (
            pairs.map(lambda two: two[0] & two[1])
            | pairs.map(lambda two: two[0] | two[1])
            | inner.map(lambda one: ~one)
        )

    return st.just(Q()) | st.recursive(_lookup(model), deeper, max_leaves=4)


_CHANGED = {
    "node": ["gate", "parked", "gate_since", "busy_until", "failures", "name"],
    "job": ["state", "priority", "dedupe", "started_at", "steps"],
    "attempt": ["outcome", "number", "lease_until", "node_id"],
    "ledger": ["cause", "ended_at", "job_id"],
}


@st.composite
def _changes(draw: st.DrawFn, model: str, *, plain: bool = False) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(_CHANGED[model]), min_size=1, max_size=3, unique=True))
    changes = {name: draw(_VALUES[name.removesuffix("_id")]) for name in names}
    for counted in {"failures", "steps", "number"} & set(changes):
        if not plain and draw(st.booleans()):
            changes[counted] = F(counted) + draw(st.integers(-1, 2))
    return changes


@st.composite
def _look(draw: st.DrawFn, model: str) -> Look:
    some = [name for name in QUESTIONS[model] if name != "pk"]
    order = draw(st.lists(st.sampled_from(some), max_size=2, unique=True))
    signed = [f"-{name}" if draw(st.booleans()) else name for name in order]
    what = draw(
        st.sampled_from(
            [
                *("rows", "values", "flat", "distinct", "first", "last"),
                *("count", "exists", "get", "sum", "grouped"),
            ]
        )
    )
    cut = draw(st.none() | st.tuples(st.integers(0, 2), st.integers(0, 3)))
    without = draw(st.just(Q()) | _where(model))
    return Look(model, draw(_where(model)), without, (*signed, "pk"), what, cut)


def operations() -> st.SearchStrategy[Any]:
    """Any statement, and blocks of them."""
    model = st.sampled_from(sorted(MODELS))
    single = (
        model.flatmap(
            lambda m: st.builds(
                Insert,
                st.just(m),
                st.lists(_rows(m), min_size=1, max_size=2),
                st.sampled_from(["create", "save", "bulk"]),
            )
        )
        | model.flatmap(lambda m: st.builds(Update, st.just(m), _where(m), _changes(m)))
        | model.flatmap(_look)
        | model.flatmap(
            lambda m: st.builds(Save, st.just(m), _where(m), _changes(m, plain=True), st.booleans())
        )
        | model.flatmap(
            lambda m: st.builds(SaveAll, st.just(m), _where(m), _changes(m, plain=True))
        )
        | st.builds(Fetch, _rows("node"), st.booleans())
    )
    blocks = st.recursive(
        single,
        lambda inner: st.builds(
            Block, st.lists(inner, max_size=3), st.sampled_from(["kept", "given up", "broken off"])
        ),
        max_leaves=4,
    )
    return single | blocks

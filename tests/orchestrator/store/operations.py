"""Statements as data: the same ones are carried out on the store in memory and on the database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError, models
from django.db.models import Avg, Count, F, Max, Min, Q, Sum
from hypothesis import strategies as st

from orchestrator import store
from orchestrator.models import Attempt, FleetState, Job, LedgerEntry, Node
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


@dataclass(slots=True)
class Answers:
    said: list[Any] = field(default_factory=list)


class BrokenOff(Exception):
    """What ends a block early."""


_QUESTIONS = {
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
    names = _QUESTIONS[model]
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
    some = [name for name in _QUESTIONS[model] if name != "pk"]
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


def carry_out(operation: Any, answers: Answers) -> None:
    """Do it, and note what came of it."""
    try:
        with store.atomic():
            answers.said.append(_answer(operation, answers))
    except BrokenOff:
        answers.said.append("broken off")
    except (DatabaseError, models.ObjectDoesNotExist) as error:
        answers.said.append(type(error).__name__)
    except Exception as error:  # such as the model's MultipleObjectsReturned
        answers.said.append(type(error).__qualname__)


def everything() -> list[Any]:
    """Whatever is stored, in a fixed order."""
    return [
        _plain(row) for model in MODELS.values() for row in model._default_manager.order_by("pk")
    ]


def _answer(operation: Any, answers: Answers) -> Any:
    match operation:
        case Block():
            return _block(operation, answers)
        case Insert():
            return _insert(operation)
        case Update():
            rows = MODELS[operation.model]._default_manager.filter(operation.where)
            return rows.update(**operation.changes)
        case Save():
            return _save(operation)
        case SaveAll():
            manager = MODELS[operation.model]._default_manager
            found = list(manager.filter(operation.where).order_by("pk"))
            for row in found:
                for name, value in operation.changes.items():
                    setattr(row, name, value)
            return manager.bulk_update(found, sorted(operation.changes)) if found else 0
        case Fetch():
            return _fetch(operation)
        case _:
            return _look_up(operation)


def _block(block: Block, answers: Answers) -> str:
    for operation in block.inside:
        if isinstance(operation, Block):
            carry_out(operation, answers)
            continue
        # In the block's own transaction: an error breaks it, and what follows is refused.
        try:
            answers.said.append(_answer(operation, answers))
        except Exception as error:  # each store has to fail in the same way
            answers.said.append(type(error).__name__)
    if block.ends == "given up":
        store.roll_back()
    if block.ends == "broken off":
        raise BrokenOff
    return block.ends


def _insert(insert: Insert) -> Any:
    model = MODELS[insert.model]
    if insert.how == "bulk":
        return len(model._default_manager.bulk_create(model(**row) for row in insert.rows))
    made = []
    for row in insert.rows:
        if insert.how == "create":
            made.append(_plain(model._default_manager.create(**row)))
        else:
            one = model(**row)
            one.save()
            made.append(_plain(one))
    return made


def _save(save: Save) -> Any:
    row: Any = MODELS[save.model]._default_manager.filter(save.where).order_by("pk").first()
    if row is None:
        return None
    for name, value in save.changes.items():
        setattr(row, name, value)
    row.save(update_fields=None if save.whole else sorted(save.changes))
    row.refresh_from_db()
    return _plain(row)


def _fetch(fetch: Fetch) -> Any:
    facts = {name: fetch.facts[name] for name in ("id", "created_at")}
    if fetch.update:
        found, made = Node.objects.update_or_create(
            name=fetch.facts["name"],
            defaults={"created_at": fetch.facts["created_at"]},
            create_defaults=facts,
        )
    else:
        found, made = Node.objects.get_or_create(name=fetch.facts["name"], defaults=facts)
    FleetState.objects.get_or_create(pk=1)
    return _plain(found), made


def _look_up(look: Look) -> Any:
    rows: Any = MODELS[look.model]._default_manager.filter(look.where)
    if look.without:
        rows = rows.exclude(look.without)
    if look.what == "get":
        return _plain(rows.get())
    if look.what == "sum":
        return _sums(look.model, rows)
    if look.what == "grouped":
        return _grouped(look.model, rows)
    rows = rows.order_by(*look.order)
    if look.what in ("first", "last"):
        found = getattr(rows, look.what)()
        return None if found is None else _plain(found)
    if look.cut is not None:
        rows = rows[look.cut[0] : look.cut[0] + look.cut[1]]
    match look.what:
        case "count":
            return rows.count()
        case "exists":
            return rows.exists()
        case "flat":
            return list(rows.values_list(_QUESTIONS[look.model][0], flat=True))
        case "values":
            return list(rows.values_list(*(n for n in _QUESTIONS[look.model] if n != "pk")))
        case "distinct":
            return sorted(
                MODELS[look.model]
                ._default_manager.filter(look.where)
                .order_by()
                .values_list(_QUESTIONS[look.model][1], flat=True)
                .distinct(),
                key=str,
            )
        case _:
            return [_plain(row) for row in rows]


def _sums(model: str, rows: Any) -> Any:
    if model != "job":
        return rows.aggregate(n=Count("pk"), at=Max("pk"))["n"]
    return rows.aggregate(
        Sum("steps"),
        high=Max("priority"),
        low=Min("created_at"),
        mean=Avg("steps"),
        n=Count("started_at"),
        some=Count("pk", filter=Q(state=JobState.QUEUED)),
    )


def _grouped(model: str, rows: Any) -> Any:
    if model == "ledger":
        lasted = rows.filter(ended_at__isnull=False).order_by()
        groups = lasted.values_list("cause").annotate(time=Sum(F("ended_at") - F("started_at")))
        return sorted(groups, key=str)
    name = _QUESTIONS[model][1]
    return sorted(rows.order_by().values_list(name).annotate(n=Count("pk")), key=str)


def _plain(row: Any) -> dict[str, Any]:
    return {
        field.attname: str(value) if isinstance(value, str) else value
        for field in row._meta.concrete_fields
        for value in [getattr(row, field.attname)]
    }

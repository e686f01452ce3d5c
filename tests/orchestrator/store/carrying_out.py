"""Carries statements out on whatever store is in use, and notes what came of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, models
from django.db.models import Avg, Count, F, Max, Min, Q, Sum

from orchestrator import store
from orchestrator.models import FleetState, Node
from orchestrator.states import JobState
from tests.orchestrator.store.operations import (
    MODELS,
    QUESTIONS,
    Block,
    Fetch,
    Insert,
    Look,
    Save,
    SaveAll,
    Update,
)


@dataclass(slots=True)
class Answers:
    said: list[Any] = field(default_factory=list)


class BrokenOff(Exception):
    """What ends a block early."""


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
            return list(rows.values_list(QUESTIONS[look.model][0], flat=True))
        case "values":
            return list(rows.values_list(*(n for n in QUESTIONS[look.model] if n != "pk")))
        case "distinct":
            return sorted(
                MODELS[look.model]
                ._default_manager.filter(look.where)
                .order_by()
                .values_list(QUESTIONS[look.model][1], flat=True)
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
    name = QUESTIONS[model][1]
    return sorted(rows.order_by().values_list(name).annotate(n=Count("pk")), key=str)


def _plain(row: Any) -> dict[str, Any]:
    return {
        field.attname: str(value) if isinstance(value, str) else value
        for field in row._meta.concrete_fields
        for value in [getattr(row, field.attname)]
    }

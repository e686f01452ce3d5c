"""Rows as model instances, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.base import ModelState

from orchestrator.memory_store.columns import fresh
from orchestrator.memory_store.table import Row, Table

if TYPE_CHECKING:
    from orchestrator.memory_store.database import MemoryStore


def instance_of(table: Table, row: Row) -> models.Model:
    """A row as an instance, without Django's constructor: it takes ten times as long."""
    instance = table.model.__new__(table.model)
    values = instance.__dict__
    state = ModelState()
    state.adding = False
    state.db = "default"
    values["_state"] = state
    values.update(row)
    for name in table.mutable:
        values[name] = fresh(values[name])
    return instance


def fill(table: Table, instance: models.Model, row: Row, fields: Iterable[str] | None) -> None:
    """Have an instance say what the row says."""
    values = instance.__dict__
    names = row if fields is None else [table.named[name].attname for name in fields]
    for name in names:
        values[name] = fresh(row[name]) if name in table.mutable else row[name]
    state = instance._state
    state.adding = False
    if state.fields_cache:
        for column in table.columns.values():
            if column.target is not None and column.attname in names:
                state.fields_cache.pop(column.name, None)


def changes_of(table: Table, instance: models.Model, fields: Iterable[str] | None) -> Row:
    """What an instance would write."""
    values = instance.__dict__
    columns = (
        [column for column in table.columns.values() if column.attname != table.key]
        if fields is None
        else [table.named[name] for name in fields]
    )
    return {c.attname: c.store(_plain(table, values[c.attname])) for c in columns}


def inserted(store: MemoryStore, table: Table, instance: models.Model) -> None:
    """Insert an instance's row; the instance knows its key afterwards."""
    values = instance.__dict__
    row: Row = {}
    for attname, column in table.columns.items():
        value = values[attname]
        if attname == table.key and value is None and table.counts:
            row[attname] = None
        else:
            row[attname] = column.store(_plain(table, value))
    values[table.key] = store.insert(table, row)
    instance._state.adding = False
    instance._state.db = "default"


def made(table: Table, facts: dict[str, Any]) -> models.Model:
    """A new instance that is not saved yet, as the model's constructor would make it."""
    instance = table.model.__new__(table.model)
    values = instance.__dict__
    state = ModelState()
    values["_state"] = state
    left = dict(facts)
    for column in table.columns.values():
        if column.target is not None and column.name in left:
            other = left.pop(column.name)
            values[column.attname] = None if other is None else other.pk
            if other is not None:
                state.fields_cache[column.name] = other
        elif column.attname in left:
            values[column.attname] = left.pop(column.attname)
        elif column.attname == table.key and "pk" in left:
            values[column.attname] = left.pop("pk")
        else:
            values[column.attname] = column.default()
    if left:
        raise TypeError(f"{table.model.__name__}() got unexpected keyword arguments: {left}")
    return instance


def _plain(table: Table, value: Any) -> Any:
    if hasattr(value, "resolve_expression"):
        raise NotImplementedError(f"{table.model.__name__}: an expression in save()")
    return value

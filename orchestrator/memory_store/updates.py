"""What an UPDATE does to the rows that it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import models

from orchestrator.memory_store.conditions import value_of
from orchestrator.memory_store.table import Row, Table

if TYPE_CHECKING:
    from orchestrator.memory_store.database import MemoryStore


def worked_out_changes(
    store: MemoryStore, table: Table, changes: Mapping[str, Any]
) -> tuple[Row, dict[str, Callable[[Row], Any]]]:
    """What an update sets: values, and what is worked out from each row."""
    plain: Row = {}
    worked_out: dict[str, Callable[[Row], Any]] = {}
    for name, value in changes.items():
        column = table.named.get(name)
        if column is None:
            raise NotImplementedError(f"{table.model.__name__}: update of {name}")
        if isinstance(value, models.Model):
            plain[column.attname] = column.store(value.pk)
            continue
        compute = value_of(store, table, value)
        if compute is None:
            plain[column.attname] = column.store(value)
        else:
            worked_out[column.attname] = compute
    return plain, worked_out


def update_all(
    store: MemoryStore,
    table: Table,
    matched: Sequence[Row],
    plain: Row,
    worked_out: Mapping[str, Callable[[Row], Any]],
) -> None:
    """A statement does all of it or nothing."""
    columns, key = table.columns, table.key
    done: list[tuple[Any, Row]] = []
    try:
        for row in matched:
            more = {name: columns[name].store(of(row)) for name, of in worked_out.items()}
            store.write(table, row[key], row, {**plain, **more})
            done.append((row[key], row))
    except BaseException:
        for at, row in reversed(done):
            table.place(at, table.rows[at], row)
        raise

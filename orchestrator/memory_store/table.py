"""One model's rows, the indexes over them, and its unique constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, models

from orchestrator.memory_store.columns import Column

Row = dict[str, Any]
Test = Callable[[Row], bool]


@dataclass(slots=True)
class Unique:
    """No two rows that pass `test` have the same values in these columns."""

    name: str
    columns: tuple[str, ...]
    test: Test | None
    depends_on: frozenset[str]
    """These columns, and those that `test` looks at."""


class Table:
    """Rows are never changed in place: a change puts a new row in the old one's place."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        self.columns = {f.attname: Column(f) for f in model._meta.concrete_fields}
        self.named = {column.name: column for column in self.columns.values()} | self.columns
        key = model._meta.pk
        self.key = key.attname
        self.named["pk"] = self.columns[self.key]
        self.counts = isinstance(key, models.AutoField)
        self.next_key = 1
        self.mutable = tuple(c.attname for c in self.columns.values() if c.mutable)
        self.ordering: tuple[Any, ...] = tuple(model._meta.ordering or ())
        self.rows: dict[Any, Row] = {}
        self.lookups: dict[str, Any] = {}
        """What `conditions` has read out of a lookup's name."""
        self.uniques: list[Unique] = []
        self.indexes: dict[str, dict[Any, dict[Any, None]]] = {}
        for column in self.columns.values():
            if column.field.unique and column.attname != self.key:
                self.uniques.append(
                    Unique(column.attname, (column.attname,), None, frozenset({column.attname}))
                )
            if column.target is not None or column.field.unique:
                self.index(column.attname)

    def index(self, attname: str) -> None:
        """Have rows found by this column's value without looking at all of them."""
        if attname != self.key:
            self.indexes.setdefault(attname, {})

    def missing(self) -> Exception:
        """The model's own DoesNotExist."""
        error: Exception = vars(self.model)["DoesNotExist"](f"{self.model.__name__} is not there.")
        return error

    def put(self, row: Row) -> None:
        """Insert a row, or put it where the one with the same key was. Constraints are checked."""
        key = row[self.key]
        old = self.rows.get(key)
        for unique in self.uniques:
            if old is None or any(old[c] != row[c] for c in unique.depends_on):
                self._require_unique(unique, row, key)
        self.place(key, old, row)

    def place(self, key: Any, old: Row | None, new: Row | None) -> None:
        """Put a row where another was, or none: without a question."""
        if new is None:
            del self.rows[key]
        else:
            self.rows[key] = new
        for attname, index in self.indexes.items():
            before = None if old is None else old[attname]
            after = None if new is None else new[attname]
            if old is not None and new is not None and before == after:
                continue
            if old is not None:
                index[before].pop(key, None)
            if new is not None:
                index.setdefault(after, {})[key] = None

    def found(self, attname: str, values: Iterable[Any]) -> Iterator[Row]:
        """The rows with one of these values in the key, or in a column that is indexed."""
        rows = self.rows
        if attname == self.key:
            return (rows[value] for value in values if value in rows)
        index = self.indexes[attname]
        return (rows[key] for value in values for key in index.get(value, ()))

    def _require_unique(self, unique: Unique, row: Row, key: Any) -> None:
        if unique.test is not None and not unique.test(row):
            return
        wanted = [row[column] for column in unique.columns]
        if None in wanted:
            return
        indexed = next((c for c in unique.columns if c in self.indexes), None)
        near = self.found(indexed, [row[indexed]]) if indexed else self.rows.values()
        for other in near:
            if other[self.key] == key:
                continue
            if [other[column] for column in unique.columns] != wanted:
                continue
            if unique.test is None or unique.test(other):
                raise IntegrityError(f"UNIQUE constraint failed: {unique.name}")

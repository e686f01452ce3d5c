"""Which rows of a table are meant, in which order, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from django.db.models import Avg, Count, F, Max, Min, Sum
from django.db.models.expressions import OrderBy

from orchestrator.memory_store.conditions import Leaf, all_of, field_of, leaves, path, value_of
from orchestrator.memory_store.table import Row, Table

if TYPE_CHECKING:
    from orchestrator.memory_store.database import MemoryStore

_AGGREGATES: dict[type, Callable[[list[Any]], Any]] = {
    Sum: lambda values: sum(values[1:], values[0]) if values else None,
    Max: lambda values: max(values, default=None),
    Min: lambda values: min(values, default=None),
    Avg: lambda values: sum(values[1:], values[0]) / len(values) if values else None,
    Count: len,
}


class Selection:
    """Rows of one table that pass some tests."""

    # What most leave as it is stands here once for all of them.
    _leaves: tuple[Leaf, ...] = ()
    _order: tuple[Any, ...] | None = None
    _reversed = False
    _slice: slice | None = None
    _empty = False

    def __init__(self, store: MemoryStore, table: Table) -> None:
        self.model: Any = table.model
        self._store = store
        self._table = table

    def _require_whole(self, what: str) -> None:
        if self._slice is not None:
            raise TypeError(f"Cannot {what} a query once a slice has been taken.")

    def _refuse(self, what: str) -> NoReturn:
        raise NotImplementedError(f"{self.model.__name__}: {what}")

    def _matching(self) -> list[Row]:
        """The rows that pass, in no order; by an index where there is one."""
        if self._empty:
            return []
        table, tests = self._table, self._leaves
        if not tests:
            return list(table.rows.values())
        if len(tests) == 1 and tests[0].attname == table.key:
            return list(table.found(table.key, tests[0].values))
        near: Iterable[Row] | None = None
        left: list[Leaf] = list(tests)
        for leaf in tests:
            if leaf.attname == table.key:
                near = table.found(leaf.attname, leaf.values)
                left.remove(leaf)
                break
        if near is None:
            near, used = self._by_index(tests)
            if used is not None:
                left.remove(used)
        if not left:
            return list(near)
        test = all_of(left)
        return [row for row in near if test(row)]

    def _by_index(self, tests: Sequence[Leaf]) -> tuple[Iterable[Row], Leaf | None]:
        """Through the index with the fewest rows."""
        table = self._table
        best: Leaf | None = None
        fewest = len(table.rows)
        for leaf in tests:
            index = None if leaf.attname is None else table.indexes.get(leaf.attname)
            if index is None:
                continue
            size = sum(len(index.get(value, ())) for value in leaf.values)
            if size <= fewest:
                best, fewest = leaf, size
        if best is None or best.attname is None:
            return table.rows.values(), None
        return table.found(best.attname, best.values), best

    def _selected(self, order: Sequence[Any] | None = None) -> list[Row]:
        rows = self._matching()
        if order is None:
            order = self._table.ordering if self._order is None else self._order
        if order and len(rows) > 1:
            for key, descending in reversed([self._key(one) for one in order]):
                rows.sort(key=key, reverse=descending != self._reversed)
        return rows[self._slice] if self._slice is not None else rows

    def _key(self, one: Any) -> tuple[Callable[[Row], Any], bool]:
        """NULL comes first, as SQLite has it; PostgreSQL has it last."""
        descending = False
        if isinstance(one, OrderBy):
            if one.nulls_first or one.nulls_last or not isinstance(one.expression, F):
                self._refuse("an order with a place for nulls")
            one, descending = field_of(one.expression), one.descending
        elif isinstance(one, F):
            one = field_of(one)
        name = str(one)
        if name.startswith("-"):
            name, descending = name[1:], not descending
        where = path(self._store, self._table, name.split("__"))
        read = where.read
        if not where.column.null and where.attname:
            return read, descending
        return lambda row: (read(row) is not None, read(row)), descending

    def _aggregated(self, one: Any, rows: list[Row]) -> Any:
        work = _AGGREGATES.get(type(one))
        expressions = [part for part in one.get_source_expressions() if part is not None]
        condition = getattr(one, "filter", None)
        if work is None or not expressions:
            self._refuse(f"an aggregate like {one!r}")
        if condition is not None:
            test = all_of(leaves(self._store, self._table, [condition]))
            rows = [row for row in rows if test(row)]
            expressions = [part for part in expressions if part is not condition]
        source = expressions[0]
        if type(source).__name__ == "Star" or (isinstance(source, F) and field_of(source) == "*"):
            return len(rows)
        read = value_of(self._store, self._table, source)
        if read is None:
            self._refuse(f"an aggregate of {source!r}")
        values = [value for row in rows if (value := read(row)) is not None]
        if getattr(one, "distinct", False):
            values = distinct(values)
        return work(values)


def distinct(values: list[Any]) -> list[Any]:
    """Each once, where it came first. They have to be hashable."""
    return list(dict.fromkeys(values))

"""Keyword lookups and Q objects as tests of a row.

SQL's third truth value is not needed: Django adds "and is not null" to whatever it negates, so an
unknown counts as false in both places.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression, Value

from orchestrator.memory_store.columns import Column
from orchestrator.memory_store.table import Row, Table, Test

if TYPE_CHECKING:
    from orchestrator.memory_store.database import MemoryStore

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_LOOKUPS = frozenset({"exact", "in", "isnull", *_COMPARE, "startswith", "contains", "range"})

_PLAIN = frozenset({str, int, float, bool, datetime, UUID, type(None), list, set, frozenset})
"""What is no expression, at a glance."""

Read = Callable[[Row], Any]


class Leaf(NamedTuple):
    """A test, and what an index can use of it: a column of this table, and its possible values."""

    test: Test
    attname: str | None = None
    values: Iterable[Any] = ()


class Path(NamedTuple):
    """Where a lookup's value is read. `attname` is empty when it is in another table."""

    column: Column
    read: Read
    attname: str


def leaves(store: MemoryStore, table: Table, q: Iterable[Any]) -> list[Leaf]:
    """What all must hold, of positional Q objects and (lookup, value) pairs."""
    found: list[Leaf] = []
    for one in q:
        if isinstance(one, tuple):
            found.append(_leaf(store, table, *one))
        elif isinstance(one, Q) and one.connector == Q.AND and not one.negated:
            found += leaves(store, table, one.children)
        elif isinstance(one, Q):
            found.append(Leaf(_tree(store, table, one)))
        else:
            raise NotImplementedError(f"a condition like {one!r}")
    return found


def all_of(tests: list[Leaf]) -> Test:
    """A single test of them all."""
    if len(tests) == 1:
        return tests[0].test
    inner = [leaf.test for leaf in tests]
    return lambda row: all(test(row) for test in inner)


def path(store: MemoryStore, table: Table, words: list[str]) -> Path:
    """Where `words` of a lookup lead: a column here, or over foreign keys to another table's."""
    column = table.named.get(words[0])
    if column is None:
        raise NotImplementedError(f"{table.model.__name__}: a lookup of {'__'.join(words)}")
    attname = column.attname
    if len(words) == 1 or (len(words) == 2 and words[1] in ("pk", "id") and column.target):
        return Path(column, operator.itemgetter(attname), attname)
    if column.target is None:
        raise NotImplementedError(f"{table.model.__name__}: a lookup of {'__'.join(words)}")
    other = store.table(column.target)
    rest = path(store, other, words[1:])
    rows = other.rows

    def read(row: Row) -> Any:
        there = row[attname]
        return None if there is None else rest.read(rows[there])

    return Path(rest.column, read, "")


def value_of(store: MemoryStore, table: Table, value: Any) -> Read | None:
    """How an expression is worked out from a row; None for a plain value."""
    if type(value) in _PLAIN:
        return None
    if isinstance(value, F):
        return path(store, table, field_of(value).split("__")).read
    if isinstance(value, Value):
        plain = value.value
        return lambda _: plain
    if isinstance(value, CombinedExpression):
        left = value_of(store, table, value.lhs)
        right = value_of(store, table, value.rhs)
        combine = {"+": operator.add, "-": operator.sub, "*": operator.mul}.get(value.connector)
        if left is None or right is None or combine is None:
            raise NotImplementedError(f"an expression like {value!r}")
        return _combined(combine, left, right)
    if hasattr(value, "resolve_expression") and not isinstance(value, models.QuerySet):
        raise NotImplementedError(f"an expression like {value!r}")
    return None


def field_of(expression: F) -> str:
    """What an F is about: it has a name, which its stubs keep to themselves."""
    return str(vars(expression)["name"])


def _combined(combine: Callable[[Any, Any], Any], left: Read, right: Read) -> Read:
    def read(row: Row) -> Any:
        one, two = left(row), right(row)
        return None if one is None or two is None else combine(one, two)

    return read


def _tree(store: MemoryStore, table: Table, q: Q) -> Test:
    tests = [
        _tree(store, table, child)
        if isinstance(child, Q)
        else leaves(store, table, [child])[0].test
        for child in q.children
    ]
    if q.connector == Q.AND:
        if q.negated:
            return lambda row: not all(test(row) for test in tests)
        return lambda row: all(test(row) for test in tests)
    if q.connector != Q.OR:
        raise NotImplementedError(q.connector)
    if q.negated:
        return lambda row: not any(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


def _leaf(store: MemoryStore, table: Table, lookup: str, value: Any) -> Leaf:
    known = table.lookups.get(lookup)
    if known is None:
        known = table.lookups[lookup] = _read_lookup(store, table, lookup)
    where, how = known
    if how == "exact" and value is None:
        how, value = "isnull", True
    return _test(store, table, where, how, value)


def _read_lookup(store: MemoryStore, table: Table, lookup: str) -> tuple[Path, str]:
    words = lookup.split("__")
    how = words.pop() if words[-1] in _LOOKUPS and len(words) > 1 else "exact"
    return path(store, table, words), how


def _test(store: MemoryStore, table: Table, where: Path, how: str, value: Any) -> Leaf:
    column, read = where.column, where.read
    if column.mutable and how != "isnull":
        raise NotImplementedError("JSON is not looked into")
    worked_out = value_of(store, table, value)
    if worked_out is not None:
        return Leaf(_compared(how, read, worked_out))
    if how == "exact":
        one, attname = column.sought(value), where.attname
        if attname:
            return Leaf(lambda row: row[attname] == one, attname, (one,))
        return Leaf(lambda row: read(row) == one)
    if how == "isnull":
        if value:
            return Leaf(lambda row: read(row) is None, where.attname or None, (None,))
        return Leaf(lambda row: read(row) is not None)
    if how == "in":
        some = {column.sought(each) for each in value} - {None}
        return Leaf(lambda row: read(row) in some, where.attname or None, sorted_if_possible(some))
    if how in ("startswith", "contains"):
        return Leaf(_textual(how, read, str(value)))
    if how == "range":
        low, high = (column.sought(each) for each in value)
        return Leaf(lambda row: (there := read(row)) is not None and low <= there <= high)
    compare, other = _COMPARE[how], column.sought(value)
    if other is None:
        raise ValueError("None is not greater or less than anything")
    return Leaf(lambda row: (there := read(row)) is not None and compare(there, other))


def sorted_if_possible(values: set[Any]) -> list[Any]:
    """In an order of their own: a set's differs from one process to the next."""
    return sorted(values)


def _compared(how: str, read: Read, other: Read) -> Test:
    compare = operator.eq if how == "exact" else _COMPARE.get(how)
    if compare is None:
        raise NotImplementedError(f"{how} of an expression")
    chosen = compare

    def test(row: Row) -> bool:
        one, two = read(row), other(row)
        return one is not None and two is not None and chosen(one, two)

    return test


def _textual(how: str, read: Read, wanted: str) -> Test:
    if how == "startswith":
        return lambda row: (there := read(row)) is not None and there.startswith(wanted)
    return lambda row: (there := read(row)) is not None and wanted in there

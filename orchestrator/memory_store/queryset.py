"""A queryset over rows in memory. Each call gives what Django's would, or NotImplementedError."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import models
from django.db.models import Avg, Count, F, Max, Min, Q, Sum
from django.db.models.expressions import OrderBy

from orchestrator.memory_store.columns import Column, fresh
from orchestrator.memory_store.conditions import Leaf, all_of, field_of, leaves, path, value_of
from orchestrator.memory_store.instances import changes_of, inserted, instance_of, made
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

Shape = Callable[[Row], Any]


class MemoryQuerySet:
    """Rows of one table that pass some tests, in an order, as instances or as values."""

    # What most querysets leave as it is stands here once for all of them.
    _leaves: tuple[Leaf, ...] = ()
    _order: tuple[Any, ...] | None = None
    _reversed = False
    _slice: slice | None = None
    _shape: Shape | None = None
    _related: tuple[Column, ...] = ()
    _flat = False
    _grouped: dict[str, Any] | None = None
    _distinct = False
    _empty = False
    _result_cache: list[Any] | None = None

    def __init__(self, store: MemoryStore, table: Table) -> None:
        self.model: Any = table.model
        self._store = store
        self._table = table

    # Narrowing down

    def all(self) -> MemoryQuerySet:
        return self._copy()

    def none(self) -> MemoryQuerySet:
        copy = self._copy()
        copy._empty = True
        return copy

    def filter(self, *args: Any, **kwargs: Any) -> MemoryQuerySet:
        return self._narrowed(leaves(self._store, self._table, [*args, *kwargs.items()]))

    def exclude(self, *args: Any, **kwargs: Any) -> MemoryQuerySet:
        if not args and not kwargs:
            return self._copy()
        return self._narrowed(leaves(self._store, self._table, [~Q(*args, **kwargs)]))

    def order_by(self, *fields: Any) -> MemoryQuerySet:
        self._require_whole("order_by")
        copy = self._copy()
        copy._order, copy._reversed = fields, False
        return copy

    def reverse(self) -> MemoryQuerySet:
        self._require_whole("reverse")
        copy = self._copy()
        copy._reversed = not self._reversed
        return copy

    def distinct(self, *fields: str) -> MemoryQuerySet:
        if fields:
            self._refuse("distinct on columns")
        copy = self._copy()
        copy._distinct = True
        return copy

    def values_list(self, *fields: str, flat: bool = False) -> MemoryQuerySet:
        paths = [path(self._store, self._table, name.split("__")) for name in fields]
        if not fields or (flat and len(fields) != 1):
            self._refuse("values_list of all columns, or flat of several")
        reads = [(one.read, one.column.mutable) for one in paths]

        def single(row: Row) -> Any:
            read, mutable = reads[0]
            return fresh(read(row)) if mutable else read(row)

        def several(row: Row) -> tuple[Any, ...]:
            return tuple(fresh(read(row)) if mutable else read(row) for read, mutable in reads)

        copy = self._copy()
        copy._shape, copy._flat = (single if flat else several), flat
        return copy

    def values(self, *fields: str) -> MemoryQuerySet:
        if not fields:
            fields = tuple(self._table.columns)
        paths = [(name, path(self._store, self._table, name.split("__"))) for name in fields]

        def shape(row: Row) -> dict[str, Any]:
            return {
                name: fresh(one.read(row)) if one.column.mutable else one.read(row)
                for name, one in paths
            }

        copy = self._copy()
        copy._shape, copy._flat = shape, True
        return copy

    def select_for_update(self, **_: Any) -> MemoryQuerySet:
        """One transaction at a time runs here: there is nobody to wait for."""
        return self._copy()

    def select_related(self, *fields: str) -> MemoryQuerySet:
        """Foreign keys of these names are followed at once; others, when somebody asks."""
        copy = self._copy()
        named = self._table.named
        copy._related = tuple(named[name] for name in fields if "__" not in name)
        return copy

    def annotate(self, **aggregates: Any) -> MemoryQuerySet:
        """What groups of equal `values_list` have in common."""
        if self._shape is None or self._flat or self._distinct or self._slice is not None:
            self._refuse("annotate without values_list before it")
        for one in aggregates.values():
            # What is not known is refused although there may be no row yet.
            self._aggregated(one, [])
        copy = self._copy()
        copy._grouped = aggregates
        return copy

    def only(self, *_: str) -> MemoryQuerySet:
        return self._copy()

    def defer(self, *_: str) -> MemoryQuerySet:
        return self._copy()

    def using(self, _: str | None) -> MemoryQuerySet:
        return self._copy()

    def iterator(self, chunk_size: int | None = None) -> Iterator[Any]:  # noqa: ARG002  # Django's
        return iter(self._run())

    def _add_hints(self, **_: Any) -> None:
        """Where a router would look."""

    # Reading

    def __iter__(self) -> Iterator[Any]:
        return iter(self._fetched())

    def __len__(self) -> int:
        return len(self._fetched())

    def __bool__(self) -> bool:
        return bool(self._fetched())

    def __getitem__(self, at: int | slice) -> Any:
        if self._result_cache is not None:
            return self._result_cache[at]
        if isinstance(at, slice):
            if at.step is not None or self._slice is not None or (at.start or 0) < 0:
                self._refuse("a slice of a slice, or one with a step")
            if at.stop is not None and at.stop < 0:
                raise ValueError("Negative indexing is not supported.")
            copy = self._copy()
            copy._slice = at
            return copy
        if at < 0:
            raise ValueError("Negative indexing is not supported.")
        return self._run()[at]

    def get(self, *args: Any, **kwargs: Any) -> Any:
        found = (self.filter(*args, **kwargs) if args or kwargs else self)._run()
        if len(found) == 1:
            return found[0]
        if not found:
            raise self.model.DoesNotExist(f"{self.model.__name__} does not exist.")
        raise self.model.MultipleObjectsReturned(f"{len(found)} {self.model.__name__}s")

    def first(self) -> Any:
        return self._one(self._by_key_at_least())

    def last(self) -> Any:
        copy = self.reverse()
        return copy._one(copy._by_key_at_least())

    def latest(self, *fields: str) -> Any:
        return self._extreme(self.order_by(*fields).reverse())

    def earliest(self, *fields: str) -> Any:
        return self._extreme(self.order_by(*fields))

    def exists(self) -> bool:
        return bool(self._result_cache) if self._result_cache is not None else self._any()

    def count(self) -> int:
        if self._result_cache is not None or self._grouped is not None:
            return len(self._fetched())
        self._store.before()
        rows = self._selected()
        if self._distinct and self._shape is not None:
            count = len(_distinct([self._shape(row) for row in rows]))
        else:
            count = len(rows)
        self._store.after()
        return count

    def in_bulk(self, id_list: Iterable[Any] | None = None) -> dict[Any, Any]:
        some = self if id_list is None else self.filter(pk__in=list(id_list))
        return {row.pk: row for row in some._run()}

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        named = {one.default_alias: one for one in args} | kwargs
        self._store.before()
        rows = self._selected()
        found = {name: self._aggregated(one, rows) for name, one in named.items()}
        self._store.after()
        return found

    # Writing

    def create(self, **facts: Any) -> Any:
        instance = made(self._table, facts)
        with self._store.statement():
            inserted(self._store, self._table, instance)
        return instance

    def get_or_create(self, defaults: Any = None, **facts: Any) -> tuple[Any, bool]:
        found = self.filter(**facts)._run()
        if found:
            if len(found) > 1:
                raise self.model.MultipleObjectsReturned(self.model.__name__)
            return found[0], False
        with self._store.atomic():
            return self.create(**_without_lookups(facts), **_worked_out(defaults)), True

    def update_or_create(
        self, defaults: Any = None, create_defaults: Any = None, **facts: Any
    ) -> tuple[Any, bool]:
        update = defaults or {}
        with self._store.atomic():
            new = update if create_defaults is None else create_defaults
            instance, created = self.get_or_create(defaults=new, **facts)
            if created:
                return instance, True
            for name, value in _worked_out(update).items():
                setattr(instance, name, value)
            self._store.save(instance, list(update), insert=False)
        return instance, False

    def bulk_create(
        self, objs: Iterable[Any], batch_size: int | None = None, ignore_conflicts: bool = False
    ) -> list[Any]:
        instances = list(objs)
        if ignore_conflicts or batch_size is not None:
            self._refuse("bulk_create with conflicts or in batches")
        if not instances:
            return instances
        with self._store.whole():
            for instance in instances:
                inserted(self._store, self._table, instance)
        return instances

    def bulk_update(self, objs: Iterable[Any], fields: Sequence[str]) -> int:
        changed = 0
        instances = list(objs)
        if not instances:
            return 0
        with self._store.whole():
            for instance in instances:
                old = self._table.rows.get(instance.pk)
                if old is not None:
                    new = changes_of(self._table, instance, fields)
                    self._store.write(self._table, instance.pk, old, new)
                    changed += 1
        return changed

    def update(self, **changes: Any) -> int:
        self._require_whole("update")
        self._result_cache = None
        plain, worked_out = self._changes(changes)
        store, table = self._store, self._table
        store.before()
        try:
            matched = self._matching()
            if len(matched) == 1 and not worked_out:
                row = matched[0]
                store.write(table, row[table.key], row, plain)
            elif matched:
                self._update_all(matched, plain, worked_out)
        except BaseException:
            store.failed()
            raise
        store.after()
        return len(matched)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Only of rows that no other table points to."""
        self._require_whole("delete")
        if self.model._meta.related_objects:
            self._refuse("delete of what others may point to")
        self._result_cache = None
        with self._store.whole():
            keys = [row[self._table.key] for row in self._matching()]
            for key in keys:
                self._store.erase(self._table, key)
        return len(keys), {self.model._meta.label: len(keys)} if keys else {}

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"{self.model.__name__}: {name} of a queryset in memory")

    # How

    def _copy(self) -> MemoryQuerySet:
        copy = MemoryQuerySet.__new__(MemoryQuerySet)
        copy.__dict__.update(self.__dict__)
        copy._result_cache = None
        return copy

    def _narrowed(self, more: list[Leaf]) -> MemoryQuerySet:
        self._require_whole("filter")
        copy = self._copy()
        copy._leaves = (*self._leaves, *more)
        return copy

    def _require_whole(self, what: str) -> None:
        if self._slice is not None:
            raise TypeError(f"Cannot {what} a query once a slice has been taken.")

    def _refuse(self, what: str) -> NoReturn:
        raise NotImplementedError(f"{self.model.__name__}: {what}")

    def _by_key_at_least(self) -> Sequence[Any]:
        """Its order; without one, by key."""
        order = self._table.ordering if self._order is None else self._order
        return order or ("pk",)

    def _one(self, order: Sequence[Any]) -> Any:
        self._store.before()
        rows = self._selected(order)
        shape = self._shape or self._instance
        found = shape(rows[0]) if rows else None
        self._store.after()
        return found

    def _instance(self, row: Row) -> models.Model:
        instance = instance_of(self._table, row)
        for column in self._related:
            self._follow([instance], column)
        return instance

    def _follow(self, instances: Iterable[Any], column: Column) -> None:
        if column.target is None:
            self._refuse(f"select_related of {column.name}")
        there = self._store.table(column.target)
        for instance in instances:
            key = instance.__dict__[column.attname]
            found = None if key is None else instance_of(there, there.rows[key])
            instance._state.fields_cache[column.name] = found

    def _groups(self, rows: list[Row], aggregates: dict[str, Any]) -> list[tuple[Any, ...]]:
        shape = self._shape
        if shape is None or self._order:
            self._refuse("an order of groups")
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault(shape(row), []).append(row)
        return [
            (*key, *(self._aggregated(one, members) for one in aggregates.values()))
            for key, members in groups.items()
        ]

    def _extreme(self, ordered: MemoryQuerySet) -> Any:
        found = ordered._one(ordered._by_key_at_least())
        if found is None:
            raise self.model.DoesNotExist(self.model.__name__)
        return found

    def _any(self) -> bool:
        self._store.before()
        found = bool(self._matching()) if self._slice is None else bool(self._selected())
        self._store.after()
        return found

    def _fetched(self) -> list[Any]:
        if self._result_cache is None:
            self._result_cache = self._run()
        return self._result_cache

    def _run(self) -> list[Any]:
        self._store.before()
        rows = self._selected()
        found: list[Any]
        if self._grouped is not None:
            found = self._groups(rows, self._grouped)
        elif self._shape is None:
            table = self._table
            found = [instance_of(table, row) for row in rows]
            for column in self._related:
                self._follow(found, column)
        else:
            found = [self._shape(row) for row in rows]
            if self._distinct:
                found = _distinct(found)
        self._store.after()
        return found

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

    def _changes(self, changes: dict[str, Any]) -> tuple[Row, dict[str, Callable[[Row], Any]]]:
        plain: Row = {}
        worked_out: dict[str, Callable[[Row], Any]] = {}
        for name, value in changes.items():
            column = self._table.named.get(name)
            if column is None:
                self._refuse(f"update of {name}")
            if isinstance(value, models.Model):
                plain[column.attname] = column.store(value.pk)
                continue
            compute = value_of(self._store, self._table, value)
            if compute is None:
                plain[column.attname] = column.store(value)
            else:
                worked_out[column.attname] = compute
        return plain, worked_out

    def _update_all(
        self, matched: list[Row], plain: Row, worked_out: dict[str, Callable[[Row], Any]]
    ) -> None:
        """A statement does all of it or nothing."""
        columns, key = self._table.columns, self._table.key
        done: list[tuple[Any, Row]] = []
        try:
            for row in matched:
                more = {name: columns[name].store(of(row)) for name, of in worked_out.items()}
                self._store.write(self._table, row[key], row, {**plain, **more})
                done.append((row[key], row))
        except BaseException:
            for at, row in reversed(done):
                self._table.place(at, self._table.rows[at], row)
            raise

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
            values = _distinct(values)
        return work(values)


def _distinct(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _without_lookups(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if "__" not in name}


def _worked_out(defaults: Any) -> dict[str, Any]:
    return {name: v() if callable(v) else v for name, v in (defaults or {}).items()}

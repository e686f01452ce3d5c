"""A queryset over rows in memory. Each call gives what Django's would, or NotImplementedError."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from django.db import models
from django.db.models import Q

from orchestrator.memory_store.columns import Column, fresh
from orchestrator.memory_store.conditions import Leaf, leaves, path
from orchestrator.memory_store.instances import changes_of, inserted, instance_of, made
from orchestrator.memory_store.selection import Selection, distinct
from orchestrator.memory_store.table import Row
from orchestrator.memory_store.updates import update_all, worked_out_changes

Shape = Callable[[Row], Any]


class MemoryQuerySet(Selection):
    """Rows of one table that pass some tests, in an order, as instances or as values."""

    _shape: Shape | None = None
    _related: tuple[Column, ...] = ()
    _flat = False
    _grouped: dict[str, Any] | None = None
    _distinct = False
    _result_cache: list[Any] | None = None

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
            count = len(distinct([self._shape(row) for row in rows]))
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
        plain, worked_out = worked_out_changes(self._store, self._table, changes)
        store, table = self._store, self._table
        store.before()
        try:
            matched = self._matching()
            if len(matched) == 1 and not worked_out:
                row = matched[0]
                store.write(table, row[table.key], row, plain)
            elif matched:
                update_all(self._store, self._table, matched, plain, worked_out)
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
                found = distinct(found)
        self._store.after()
        return found


def _without_lookups(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if "__" not in name}


def _worked_out(defaults: Any) -> dict[str, Any]:
    return {name: v() if callable(v) else v for name, v in (defaults or {}).items()}

"""The tables and their transactions: an undo log, savepoints, and what follows a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from django.db import DatabaseError, IntegrityError, models
from django.db.models import UniqueConstraint
from django.db.transaction import TransactionManagementError

from orchestrator.memory_store.conditions import all_of, leaves
from orchestrator.memory_store.instances import changes_of, fill, inserted
from orchestrator.memory_store.queryset import MemoryQuerySet
from orchestrator.memory_store.table import Row, Table, Unique


class Moment(StrEnum):
    """When whoever watches is asked."""

    STATEMENT = "statement"
    """Right before one."""
    DONE = "done"
    """Right after one."""
    COMMIT = "commit"
    """Right before the outermost transaction is made to last."""
    COMMITTED = "committed"
    """Right after it, before anything that follows from it."""


@dataclass(slots=True)
class _Level:
    """One `atomic` block: how much had been written when it began."""

    undo: int
    thens: int
    broken: bool = False


class MemoryStore:
    """Everything that is remembered. `watch` is called at each moment, and may raise.

    What it raises is as if the process had died there: open transactions are rolled back.
    """

    def __init__(self) -> None:
        self.watch: Callable[[Moment], None] | None = None
        self.statements = 0
        self.journal: list[tuple[type[models.Model], Any, Row | None, Row | None]] = []
        """What was committed: model, key, the row before and after. Whoever reads it empties it."""
        self._tables: dict[type[models.Model], Table] = {}
        self._undo: list[tuple[Table, Any, Row | None, Row | None]] = []
        self._thens: list[Callable[[], object]] = []
        self._levels: list[_Level] = []

    @property
    def rows(self) -> MemoryStore:
        return self

    @property
    def in_transaction(self) -> bool:
        return bool(self._levels)

    def table(self, model: type[models.Model]) -> Table:
        table = self._tables.get(model)
        if table is None:
            table = self._tables[model] = Table(model)
            for constraint in model._meta.constraints:
                self._constrain(table, constraint)
        return table

    def queryset(self, model: type[models.Model]) -> models.QuerySet[Any]:
        # It has of a queryset what is used here, and refuses the rest.
        return cast("models.QuerySet[Any]", MemoryQuerySet(self, self.table(model)))

    def save(
        self, instance: models.Model, update_fields: Iterable[str] | None, *, insert: bool
    ) -> None:
        table = self.table(type(instance))
        key = instance.__dict__.get(table.key)
        with self.statement():
            old = None if key is None else table.rows.get(key)
            # A new instance whose key makes itself up is inserted by Django without a look.
            made_up = instance._state.adding and table.columns[table.key].field.has_default()
            if insert or made_up or (old is None and update_fields is None):
                inserted(self, table, instance)
                return
            if old is None:
                raise DatabaseError("Save with update_fields did not affect any rows.")
            self.write(table, key, old, changes_of(table, instance, update_fields))

    def refresh(self, instance: models.Model, fields: Iterable[str] | None) -> None:
        table = self.table(type(instance))
        with self.statement():
            row = table.rows.get(instance.__dict__[table.key])
            if row is None:
                raise table.missing()
            fill(table, instance, row, fields)

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Around every statement."""
        self.before()
        try:
            yield
        except BaseException:
            self.failed()
            raise
        self.after()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Around a statement about several rows: all of it or nothing, as part of what is open."""
        if self._levels:
            with self.statement():
                yield
        else:
            with self.atomic(), self.statement():
                yield

    def before(self) -> None:
        if self._levels and self._levels[-1].broken:
            raise TransactionManagementError("the transaction is broken until its block ends")
        self.statements += 1
        if self.watch is not None:
            self.watch(Moment.STATEMENT)

    def after(self) -> None:
        if self.watch is not None:
            self.watch(Moment.DONE)

    def failed(self) -> None:
        """A statement went wrong: nothing more is taken until its block ends."""
        if self._levels:
            self._levels[-1].broken = True

    def insert(self, table: Table, row: Row) -> Any:
        """A row that was not there. Returns its key."""
        if table.counts and row[table.key] is None:
            row[table.key] = table.next_key
        key = row[table.key]
        if key in table.rows:
            raise IntegrityError(f"UNIQUE constraint failed: {table.key}")
        table.put(row)
        if table.counts:
            table.next_key = max(table.next_key, key + 1)
        self._wrote(table, key, None, row)
        return key

    def write(self, table: Table, key: Any, old: Row, changes: Row) -> None:
        """Change some columns of a row."""
        new = {**old, **changes}
        table.put(new)
        self._wrote(table, key, old, new)

    def erase(self, table: Table, key: Any) -> None:
        old = table.rows[key]
        table.place(key, old, None)
        self._wrote(table, key, old, None)

    def atomic(self) -> AbstractContextManager[None]:
        return self._atomic()

    def on_commit(self, then: Callable[[], object]) -> None:
        if self._levels:
            self._thens.append(then)
        else:
            then()

    def roll_back(self) -> None:
        if not self._levels:
            raise TransactionManagementError("there is no transaction to roll back")
        self._levels[-1].broken = True

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        broken = bool(self._levels) and self._levels[-1].broken
        level = _Level(len(self._undo), len(self._thens), broken)
        self._levels.append(level)
        try:
            yield
            if len(self._levels) == 1 and self.watch is not None and not level.broken:
                self.watch(Moment.COMMIT)
        except BaseException:
            self._back_to(level)
            self._levels.pop()
            raise
        if level.broken:
            self._back_to(level)
        self._levels.pop()
        if not self._levels:
            self._committed()

    def _committed(self) -> None:
        thens, self._thens = self._thens, []
        self.journal += [(table.model, key, old, new) for table, key, old, new in self._undo]
        self._undo.clear()
        if self.watch is not None:
            self.watch(Moment.COMMITTED)
        for then in thens:
            then()

    def _wrote(self, table: Table, key: Any, old: Row | None, new: Row | None) -> None:
        if self._levels:
            self._undo.append((table, key, old, new))
        else:
            self.journal.append((table.model, key, old, new))

    def _back_to(self, level: _Level) -> None:
        while len(self._undo) > level.undo:
            table, key, old, new = self._undo.pop()
            table.place(key, new, old)
            if old is None and table.counts:
                table.next_key = min(table.next_key, key)
        del self._thens[level.thens :]

    def _constrain(self, table: Table, constraint: models.BaseConstraint) -> None:
        if not isinstance(constraint, UniqueConstraint) or constraint.expressions:
            raise NotImplementedError(f"a constraint like {constraint!r}")
        columns = tuple(table.named[name].attname for name in constraint.fields)
        condition = constraint.condition
        test = None if condition is None else all_of(leaves(self, table, [condition]))
        depends_on = {*columns, *(table.named[name].attname for name in _columns_of(condition))}
        table.uniques.append(Unique(constraint.name, columns, test, frozenset(depends_on)))
        for attname in sorted(depends_on):
            table.index(attname)


def _columns_of(condition: Any) -> set[str]:
    """The columns that a constraint's condition is about: what is open or under way is sought."""
    if condition is None:
        return set()
    found: set[str] = set()
    for child in condition.children:
        if isinstance(child, tuple):
            found.add(child[0].split("__")[0])
        else:
            found |= _columns_of(child)
    return found

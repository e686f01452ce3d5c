"""Where a simulated fleet keeps its rows: in memory, or in the database that Django knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from django.db import connection, models, transaction

from orchestrator import store
from orchestrator.memory_store import MemoryStore, Moment

Row = Mapping[str, Any]
Change = tuple[type[models.Model], Any, Row | None, Row | None]
"""A model, a key, and the row before and after."""


class Place(store.Backend, Protocol):
    """A backend that can be watched, and whose rows can be read behind everybody's back."""

    watch: Callable[[Moment], None] | None

    @property
    def in_transaction(self) -> bool: ...

    @property
    def unread(self) -> bool:
        """Whether there are news."""

    def news(self) -> list[Change] | None:
        """What was committed since the last call; None where nobody writes that down."""

    @property
    def writes_down(self) -> bool:
        """Whether every change is written down."""

    def all(self, model: type[models.Model]) -> Mapping[Any, Row]:
        """Every row of a model by its key, without a statement that anybody would notice."""

    def some(self, model: type[models.Model], attname: str, value: Any) -> list[Row]:
        """Those with this value in a column that is indexed, just as quietly."""

    def open(self) -> AbstractContextManager[None]:
        """For as long as the simulation lasts."""


class InMemory(MemoryStore):
    """Nothing is left of it afterwards."""

    writes_down = True

    @property
    def unread(self) -> bool:
        return bool(self.journal)

    def news(self) -> list[Change] | None:
        news: list[Change] = [*self.journal]
        self.journal.clear()
        return news

    def all(self, model: type[models.Model]) -> Mapping[Any, Row]:
        return self.table(model).rows

    def some(self, model: type[models.Model], attname: str, value: Any) -> list[Row]:
        return [*self.table(model).found(attname, [value])]

    @contextmanager
    def open(self) -> Iterator[None]:
        with store.use(self):
            yield


class InDatabase:
    """Django's own, inside one transaction that is rolled back in the end.

    Statements, commits and what follows them are watched as they are in memory.
    """

    rows: None = None
    writes_down = False

    def __init__(self) -> None:
        self.watch: Callable[[Moment], None] | None = None
        self._depth = 0
        self._thens: list[Callable[[], object]] = []

    @property
    def in_transaction(self) -> bool:
        return self._depth > 0

    @property
    def unread(self) -> bool:
        return False

    def news(self) -> list[Change] | None:
        return None

    def all(self, model: type[models.Model]) -> Mapping[Any, Row]:
        return {row[_key(model)]: row for row in self._read(model._default_manager.all())}

    def some(self, model: type[models.Model], attname: str, value: Any) -> list[Row]:
        return self._read(model._default_manager.filter(**{attname: value}))

    def _read(self, rows: models.QuerySet[Any]) -> list[Row]:
        watch, self.watch = self.watch, None
        try:
            return [*rows.order_by("pk").values()]
        finally:
            self.watch = watch

    @contextmanager
    def open(self) -> Iterator[None]:
        with transaction.atomic(), store.use(self), connection.execute_wrapper(self._statement):
            try:
                yield
            finally:
                transaction.set_rollback(True)

    def atomic(self) -> AbstractContextManager[None]:
        return self._atomic()

    def on_commit(self, then: Callable[[], object]) -> None:
        if self._depth:
            self._thens.append(then)
        else:
            then()

    def roll_back(self) -> None:
        transaction.set_rollback(True)

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        kept = len(self._thens)
        self._depth += 1
        try:
            with transaction.atomic():
                yield
                if self._depth == 1 and self.watch is not None:
                    self.watch(Moment.COMMIT)
                given_up = connection.needs_rollback
        except BaseException:
            del self._thens[kept:]
            self._depth -= 1
            raise
        self._depth -= 1
        if given_up:
            del self._thens[kept:]
        if not self._depth:
            self._committed()

    def _committed(self) -> None:
        thens, self._thens = self._thens, []
        if self.watch is not None:
            self.watch(Moment.COMMITTED)
        for then in thens:
            then()

    def _statement(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if self.watch is None or sql.startswith(_OF_TRANSACTIONS):
            return execute(sql, params, many, context)
        self.watch(Moment.STATEMENT)
        answer = execute(sql, params, many, context)
        self.watch(Moment.DONE)
        return answer


_OF_TRANSACTIONS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")


def _key(model: type[models.Model]) -> str:
    return str(model._meta.pk.attname)

"""Where rows are kept: the database, or whatever `use` says instead for as long as it lasts.

The models' managers and transactions come through here and nothing else does, so the very
statements that run in production run in the simulator too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from django.db import models, transaction


class Rows(Protocol):
    """The tables, when they are not the database's."""

    def queryset(self, model: type[models.Model]) -> models.QuerySet[Any]:
        """All rows of a model, to be narrowed down."""

    def save(
        self, instance: models.Model, update_fields: Iterable[str] | None, *, insert: bool
    ) -> None:
        """Write a row: insert it if it is not there, or if `insert` demands that."""

    def refresh(self, instance: models.Model, fields: Iterable[str] | None) -> None:
        """Read a row anew. Raises the model's DoesNotExist."""


class Backend(Protocol):
    """A place to keep rows. `rows` is None where Django's own tables are used."""

    @property
    def rows(self) -> Rows | None: ...

    def atomic(self) -> AbstractContextManager[None]: ...

    def on_commit(self, then: Callable[[], object]) -> None: ...

    def roll_back(self) -> None: ...


_backend: ContextVar[Backend | None] = ContextVar("backend", default=None)


@contextmanager
def use(backend: Backend) -> Iterator[None]:
    """Keep rows there, in this thread, until the block ends."""
    before = _backend.set(backend)
    try:
        yield
    finally:
        _backend.reset(before)


def rows() -> Rows | None:
    """The tables that stand in for the database's; None when they do not."""
    backend = _backend.get()
    return None if backend is None else backend.rows


def atomic() -> AbstractContextManager[None]:
    """All of it is kept, or nothing."""
    backend = _backend.get()
    return transaction.atomic() if backend is None else backend.atomic()


def on_commit(then: Callable[[], object]) -> None:
    """Do this once what the transaction writes can be seen; never if it is rolled back."""
    backend = _backend.get()
    if backend is None:
        transaction.on_commit(then)
    else:
        backend.on_commit(then)


def roll_back() -> None:
    """Have the innermost transaction keep nothing when it ends."""
    backend = _backend.get()
    if backend is None:
        transaction.set_rollback(True)
    else:
        backend.roll_back()

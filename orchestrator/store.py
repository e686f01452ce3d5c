"""Where rows are kept, as far as transactions go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import transaction


def atomic() -> AbstractContextManager[None]:
    """All of it is kept, or nothing."""
    return transaction.atomic()


def on_commit(then: Callable[[], object]) -> None:
    """Do this once what the transaction writes can be seen; never if it is rolled back."""
    transaction.on_commit(then)


def roll_back() -> None:
    """Have the innermost transaction keep nothing when it ends."""
    transaction.set_rollback(True)

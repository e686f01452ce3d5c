"""Lets no other thread of ours hold a lock at the moment of a fork.

The pool forks a new child when one has died. A lock that another thread holds just then (a
resolver's, a stream's) would stay locked in the child for ever. Threads that use such things do so
`with FORK_GATE`, and a fork waits its turn.
"""

from __future__ import annotations

import contextlib
import os
import threading

FORK_GATE = threading.Lock()

_LONGEST_SECONDS = 30.0
"""Sooner a child that may hang than a worker that surely does."""

_held: list[bool] = []


def _before() -> None:
    _held.append(FORK_GATE.acquire(timeout=_LONGEST_SECONDS))


def _after() -> None:
    if _held.pop():
        FORK_GATE.release()


def _in_child() -> None:
    with contextlib.suppress(RuntimeError, IndexError):
        _after()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)

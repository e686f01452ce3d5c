"""References as an engine wants them, prepared once and kept in memory while there is room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from chatterbox_service.ports import Voice

Prepare = Callable[[str, Path, float], Awaitable[Voice]]
"""Key, file, exaggeration. Where and on which thread is its own business."""
Using = Callable[[str], AbstractContextManager[Path]]
"""Keeps a reference's file in its place for a while, as `Store.using`."""

_LEAST_BYTES = 1024
"""A voice that takes nothing takes an entry: without this there could be any number of them."""

_Wanted = tuple[str, float]


@dataclass(slots=True)
class Counts:
    """Since the start, for the metrics."""

    prepared: int = 0
    """Preparations that succeeded."""
    failed: int = 0
    hits: int = 0
    """Answers that needed no preparation of their own, those that waited for another's included."""
    evicted: int = 0


class Voices:
    """At most `most_bytes` of prepared voices; who was asked for least recently goes first.

    Belongs to one event loop. A voice that was given out stays usable after it was evicted: then
    whoever holds it takes up the memory. One that is larger than all the room is never kept.
    """

    def __init__(self, prepare: Prepare, most_bytes: int, using: Using) -> None:
        self._prepare = prepare
        self._using = using
        self.most_bytes = most_bytes
        self.counts = Counts()
        self.size = 0
        """Bytes of those that are kept."""
        self._kept: OrderedDict[_Wanted, Voice] = OrderedDict()
        """The least recently asked for first."""
        self._underway: dict[_Wanted, asyncio.Task[Voice]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: str, exaggeration: float) -> Voice:
        """The voice, prepared if need be: once, however many ask meanwhile, and whoever gives up.

        Raises what `using` and `prepare` raise, to all who wait; the next who asks begins anew.
        """
        wanted = (key, exaggeration)
        if (voice := self._kept.get(wanted)) is not None:
            self._kept.move_to_end(wanted)
            self.counts.hits += 1
            return voice
        task = self._underway.get(wanted)
        if task is None:
            task = asyncio.create_task(self._prepared(wanted))
            self._underway[wanted] = task
            task.add_done_callback(lambda done: self._ended(wanted, done))
        else:
            self.counts.hits += 1
        # One who gives up must not take the voice away from the others.
        return await asyncio.shield(task)

    async def _prepared(self, wanted: _Wanted) -> Voice:
        key, exaggeration = wanted
        with self._using(key) as path:
            return await self._prepare(key, path, exaggeration)

    def _ended(self, wanted: _Wanted, task: asyncio.Task[Voice]) -> None:
        del self._underway[wanted]
        # Asking for the exception also tells asyncio that somebody knows of it.
        if task.cancelled() or task.exception() is not None:
            self.counts.failed += 1
            return
        self.counts.prepared += 1
        self._keep(wanted, task.result())

    def _keep(self, wanted: _Wanted, voice: Voice) -> None:
        size = _taken_by(voice)
        if size > self.most_bytes:
            return
        while self.size + size > self.most_bytes:
            _, evicted = self._kept.popitem(last=False)
            self.size -= _taken_by(evicted)
            self.counts.evicted += 1
        self._kept[wanted] = voice
        self.size += size


def _taken_by(voice: Voice) -> int:
    return max(voice.size, _LEAST_BYTES)

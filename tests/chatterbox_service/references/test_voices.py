"""Voices are prepared once, kept while there is room, and never take more than that."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_service.ports import EngineFault, Voice
from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.voices import Voices

MOST = 100_000


@dataclass
class Engine:
    """Prepares when it is told to, and remembers what it was asked for."""

    size: int = 10_000
    asked: list[tuple[str, float]] = field(default_factory=list)
    at_work: dict[tuple[str, float], asyncio.Future[None]] = field(default_factory=dict)
    in_use: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=lambda: set("abcdef"))

    @contextmanager
    def using(self, key: str) -> Iterator[Path]:
        if key not in self.known:
            raise Problem(Code.VOICE_UNKNOWN, "That voice is not known.")
        self.in_use[key] += 1
        try:
            yield Path(key)
        finally:
            self.in_use[key] -= 1

    async def prepare(self, key: str, path: Path, exaggeration: float) -> Voice:
        assert path == Path(key)
        assert self.in_use[key] > 0, "the file has to stay until it was read"
        wanted = (key, exaggeration)
        assert wanted not in self.at_work, "twice at the same time"
        self.asked.append(wanted)
        self.at_work[wanted] = asyncio.get_running_loop().create_future()
        try:
            await self.at_work[wanted]
        finally:
            del self.at_work[wanted]
        return Voice(key, exaggeration, prepared=object(), size=self.size)

    def finish(self, wanted: tuple[str, float]) -> None:
        self.at_work[wanted].set_result(None)

    def fail(self, wanted: tuple[str, float]) -> None:
        self.at_work[wanted].set_exception(EngineFault("The engine has no memory left."))


async def settle() -> None:
    """Until nobody has anything left to do."""
    for _ in range(10):
        await asyncio.sleep(0)


async def at_once(voices: Voices, engine: Engine, key: str, exaggeration: float = 0.5) -> Voice:
    asking = asyncio.create_task(voices.get(key, exaggeration))
    await settle()
    if (key, exaggeration) in engine.at_work:
        engine.finish((key, exaggeration))
    return await asking


def test_a_thousand_who_ask_at_once_cause_one_preparation() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        asking = [asyncio.create_task(voices.get("a", 0.5)) for _ in range(1000)]
        await settle()
        engine.finish(("a", 0.5))
        given = await asyncio.gather(*asking)
        assert all(voice is given[0] for voice in given)
        assert await voices.get("a", 0.5) is given[0]
        assert engine.asked == [("a", 0.5)]
        assert (voices.counts.prepared, voices.counts.hits) == (1, 1000)

    asyncio.run(story())


def test_another_exaggeration_is_another_voice() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        calm, lively = [await at_once(voices, engine, "a", much) for much in (0.5, 1.0)]
        assert (calm.exaggeration, lively.exaggeration) == (0.5, 1.0)
        assert len(voices) == 2

    asyncio.run(story())


def test_whoever_gives_up_takes_nothing_away_from_the_others() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        first, second = [asyncio.create_task(voices.get("a", 0.5)) for _ in range(2)]
        await settle()
        first.cancel()
        await settle()
        assert first.cancelled()
        engine.finish(("a", 0.5))
        assert (await second).key == "a"
        assert engine.asked == [("a", 0.5)]

    asyncio.run(story())


def test_when_all_have_given_up_the_work_was_not_in_vain() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        only = asyncio.create_task(voices.get("a", 0.5))
        await settle()
        only.cancel()
        await settle()
        assert engine.in_use["a"] == 1
        engine.finish(("a", 0.5))
        await settle()
        assert engine.in_use["a"] == 0
        assert (await voices.get("a", 0.5)).key == "a"
        assert len(engine.asked) == 1

    asyncio.run(story())


def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        asking = [asyncio.create_task(voices.get("a", 0.5)) for _ in range(3)]
        await settle()
        engine.fail(("a", 0.5))
        told = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(one, EngineFault) for one in told)
        assert len(voices) == 0
        assert (voices.counts.failed, voices.counts.prepared) == (1, 0)
        assert (await at_once(voices, engine, "a")).key == "a"
        assert engine.asked == [("a", 0.5)] * 2

    asyncio.run(story())


def test_a_failure_that_nobody_waits_for_makes_no_noise() -> None:
    complaints: list[object] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        only = asyncio.create_task(voices.get("a", 0.5))
        await settle()
        only.cancel()
        await settle()
        engine.fail(("a", 0.5))
        await settle()

    asyncio.run(story())
    gc.collect()
    assert complaints == []


def test_a_voice_whose_recording_is_gone() -> None:
    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        with pytest.raises(Problem) as raised:
            await voices.get("unknown", 0.5)
        assert raised.value.code is Code.VOICE_UNKNOWN
        assert engine.asked == []

    asyncio.run(story())


def test_who_was_asked_for_least_recently_goes_first() -> None:
    async def story() -> None:
        engine = Engine(size=40_000)
        voices = Voices(engine.prepare, MOST, engine.using)
        for key in ("a", "b", "a", "c", "a"):
            await at_once(voices, engine, key)
        assert [key for key, _ in engine.asked] == ["a", "b", "c"]
        assert voices.counts.evicted == 1
        await at_once(voices, engine, "b")
        assert [key for key, _ in engine.asked] == ["a", "b", "c", "b"]

    asyncio.run(story())


def test_one_that_is_larger_than_all_the_room_is_given_but_not_kept() -> None:
    async def story() -> None:
        engine = Engine(size=10)
        voices = Voices(engine.prepare, MOST, engine.using)
        await at_once(voices, engine, "a")
        engine.size = MOST + 1
        assert (await at_once(voices, engine, "b")).key == "b"
        assert len(voices) == 1
        assert voices.counts.evicted == 0

    asyncio.run(story())


def test_voices_that_take_nothing_are_bounded_too() -> None:
    async def story() -> None:
        engine = Engine(size=0)
        voices = Voices(engine.prepare, MOST, engine.using)
        for n in range(300):
            await at_once(voices, engine, "a", float(n))
        assert len(voices) < 100

    asyncio.run(story())


_WANTED = st.tuples(st.sampled_from("abc"), st.sampled_from([0.25, 0.5]))
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "finish", "fail", "give up"]),
        _WANTED,
        st.integers(0, 70_000),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=_STEPS)
def test_whatever_happens_in_whatever_order(
    steps: list[tuple[str, tuple[str, float], int]],
) -> None:
    """The engine itself asserts that nothing is prepared twice at the same time."""

    async def story() -> None:
        engine = Engine()
        voices = Voices(engine.prepare, MOST, engine.using)
        waiting: list[tuple[tuple[str, float], asyncio.Task[Voice]]] = []
        succeeded: Counter[tuple[str, float]] = Counter()
        asked = 0

        async def finish(wanted: tuple[str, float]) -> None:
            engine.finish(wanted)
            succeeded[wanted] += 1
            await settle()

        for what, wanted, size in steps:
            engine.size = size
            if what == "ask":
                asked += 1
                waiting.append((wanted, asyncio.create_task(voices.get(*wanted))))
            elif what == "give up" and waiting:
                waiting[size % len(waiting)][1].cancel()
            elif what == "finish" and wanted in engine.at_work:
                await finish(wanted)
            elif what == "fail" and wanted in engine.at_work:
                engine.fail(wanted)
            await settle()
            assert sum(voice.size for voice in voices._kept.values()) <= voices.size <= MOST
        while engine.at_work:
            await finish(next(iter(engine.at_work)))
        assert not +engine.in_use
        counts = voices.counts
        assert counts.prepared == succeeded.total()
        assert counts.prepared + counts.failed == len(engine.asked)
        assert counts.hits == asked - len(engine.asked)
        for wanted, task in waiting:
            assert task.done()
            if not task.cancelled() and task.exception() is None:
                assert (task.result().key, task.result().exaggeration) == wanted

    asyncio.run(story())

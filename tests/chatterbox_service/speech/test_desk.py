"""The engine's one thread: turns, faults, clients that go, and its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest

from chatterbox_service.ports import Line
from chatterbox_service.problems import Code, Problem
from chatterbox_service.speech.desk import Desk, State
from tests.chatterbox_service.scripted import ScriptedEngine, tone


def line(text: str, seed: int = 1) -> Line:
    return Line(text, "en", seed)


def reached(what: Callable[[], bool]) -> None:
    """Within ten seconds."""
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.002)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def desk(engine: ScriptedEngine) -> Iterator[Desk]:
    desk = Desk(engine)
    desk.start()
    reached(lambda: desk.state is not State.INITIALISING)
    yield desk
    engine.gate.set()
    engine.loading.set()
    desk.stop(5)


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def test_each_line_is_given_its_own_sound(desk: Desk, engine: ScriptedEngine) -> None:
    texts = [f"line {'x' * n}" for n in range(30)]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(desk.speak(line(text), "a") for text in texts))

    for text, take in zip(texts, run(all_of_them()), strict=True):
        assert np.array_equal(take.samples, tone(text, 1))
    assert len(engine.threads) == 1, "the engine belongs to one thread"
    assert threading.get_ident() not in engine.threads
    assert max(len(spoken) for spoken in engine.rounds) == engine.most_together


def test_a_line_that_fails_fails_alone(desk: Desk) -> None:
    async def both() -> list[Any]:
        return list(
            await asyncio.gather(desk.speak(line("fine"), "a"), desk.speak(line("a fault"), "a"))
        )

    fine, fault = run(both())
    assert fine.samples is not None
    assert (fault.samples, fault.fault) == (None, "It could not be said.")


def test_a_round_that_fails_is_told_to_all_in_it_and_ends_nothing(desk: Desk) -> None:
    with pytest.raises(Problem, match="the GPU is lost") as caught:
        run(desk.speak(line("crash"), "a"))
    assert caught.value.code is Code.FAILED
    assert run(desk.speak(line("fine"), "a")).samples is not None
    assert desk.state is State.READY


def test_an_engine_that_fails_again_and_again_counts_as_broken(engine: ScriptedEngine) -> None:
    told: list[bool] = []
    desk = Desk(engine, lambda: told.append(True))
    desk.start()
    reached(lambda: desk.state is State.READY)
    for _ in range(3):
        with pytest.raises(Problem):
            run(desk.speak(line("crash"), "a"))
    reached(lambda: desk.state is State.ERROR)
    assert told == [True]
    with pytest.raises(Problem) as caught:
        run(desk.speak(line("fine"), "a"))
    assert caught.value.code is Code.NOT_READY
    reached(lambda: engine.closed == 1)


def test_whoever_goes_is_not_spoken_for(desk: Desk, engine: ScriptedEngine) -> None:
    engine.gate.clear()

    async def go() -> None:
        begun = [asyncio.ensure_future(desk.speak(line(f"line {n}"), "a")) for n in range(20)]
        while not engine.begun.is_set():
            await asyncio.sleep(0.002)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    run(go())
    reached(lambda: engine.stopped == 1)
    reached(lambda: desk.lines_waiting == 0)
    assert len(engine.rounds) == 1, "what had not begun was dropped"
    assert desk.counts.dropped == 16
    engine.gate.set()
    assert run(desk.speak(line("next"), "b")).samples is not None


def test_a_round_goes_on_while_anybody_in_it_waits(desk: Desk, engine: ScriptedEngine) -> None:
    engine.gate.clear()

    async def one_goes() -> Any:
        stays = asyncio.ensure_future(desk.speak(line("stays"), "a"))
        goes = asyncio.ensure_future(desk.speak(line("goes"), "a"))
        while not engine.begun.is_set():
            await asyncio.sleep(0.002)
        goes.cancel()
        await asyncio.sleep(0.05)
        engine.gate.set()
        return await stays

    assert run(one_goes()).samples is not None
    assert engine.stopped == 0


def test_one_line_does_not_wait_for_another_clients_hundred(
    desk: Desk, engine: ScriptedEngine
) -> None:
    engine.gate.clear()

    async def talk() -> list[str]:
        heard: list[str] = []

        async def say(text: str, owner: str) -> None:
            await desk.speak(line(text), owner)
            heard.append(owner)

        tasks = [asyncio.ensure_future(say(f"many {n}", "many")) for n in range(100)]
        while not engine.begun.is_set():
            await asyncio.sleep(0.002)
        tasks.append(asyncio.ensure_future(say("a rather long single line", "one")))
        await asyncio.sleep(0.02)
        engine.gate.set()
        await asyncio.gather(*tasks)
        return heard

    assert run(talk()).index("one") <= 2 * engine.most_together


def test_while_it_loads_it_says_so_and_when_to_come_again(engine: ScriptedEngine) -> None:
    engine.loading.clear()
    desk = Desk(engine)
    desk.start()
    with pytest.raises(Problem) as caught:
        run(desk.speak(line("early"), "a"))
    assert (caught.value.code, caught.value.retry_after) == (Code.NOT_READY, 10)
    engine.loading.set()
    reached(lambda: desk.state is State.READY)
    assert run(desk.speak(line("now"), "a")).samples is not None
    desk.stop(5)


def test_a_load_that_fails_is_kept_with_its_reason(engine: ScriptedEngine) -> None:
    engine.load_fault = "There are no weights in the folder."
    desk = Desk(engine)
    desk.start()
    reached(lambda: desk.state is State.ERROR)
    assert desk.error == "There are no weights in the folder."
    with pytest.raises(Problem, match="no weights"):
        run(desk.speak(line("x"), "a"))
    with pytest.raises(Problem, match="no weights"):
        run(desk.run(lambda: 1))


def test_a_stop_lets_what_is_being_said_end_and_refuses_the_rest(
    desk: Desk, engine: ScriptedEngine
) -> None:
    engine.gate.clear()

    async def stop_meanwhile() -> list[Any]:
        tasks = [asyncio.ensure_future(desk.speak(line(f"line {n}"), "a")) for n in range(6)]
        while not engine.begun.is_set():
            await asyncio.sleep(0.002)
        stopping = asyncio.ensure_future(asyncio.to_thread(desk.stop, 5.0))
        await asyncio.sleep(0.05)
        engine.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await stopping
        return results

    results = run(stop_meanwhile())
    spoken = [one for one in results if not isinstance(one, Problem)]
    refused = [one for one in results if isinstance(one, Problem)]
    assert len(spoken) == engine.most_together
    assert {one.code for one in refused} == {Code.STOPPING}
    assert (desk.state, engine.closed) == (State.STOPPED, 1)


def test_a_stop_does_not_wait_for_ever(desk: Desk, engine: ScriptedEngine) -> None:
    engine.gate.clear()

    async def stop_meanwhile() -> Any:
        task = asyncio.ensure_future(desk.speak(line("endless"), "a"))
        while not engine.begun.is_set():
            await asyncio.sleep(0.002)
        await asyncio.to_thread(desk.stop, 0.05)
        return (await asyncio.gather(task, return_exceptions=True))[0]

    assert isinstance(run(stop_meanwhile()), Problem)
    assert engine.stopped == 1


def test_errands_run_on_the_engines_own_thread(desk: Desk, engine: ScriptedEngine) -> None:
    run(desk.speak(line("x"), "a"))
    assert run(desk.run(threading.get_ident)) in engine.threads


def test_an_errand_that_fails_says_why_and_ends_nothing(desk: Desk) -> None:
    def crash() -> None:
        raise Problem(Code.REFERENCE_INVALID, "It is too short.")

    with pytest.raises(Problem, match="too short"):
        run(desk.run(crash))
    assert run(desk.run(lambda: 7)) == 7

"""What is done to the broker under a worker, and what is seen of it. See `benchmarks.broker`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.broker_bench import (
    BEGUN,
    ENDED,
    LATE_VARIABLE,
    Profile,
    Publisher,
    Worker,
    wait_for,
)
from tests.support.redis import RedisServer, redis_server
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

LESSON = "lesson"
"""The long task. Those called "bell-N" are over at once, and sent every second."""

LIMIT_SECONDS = 60.0
"""Consumption has to begin again within so long after the outage and the long task."""

_GIVE_UP_SECONDS = 150.0
_TWICE_SECONDS = 2.0
_BURST = 400


@dataclass(frozen=True, slots=True)
class Times:
    """How long everything takes, in seconds."""

    lesson: float = 25.0
    before: float = 3.0
    down: float = 10.0
    cut: float = 60.0
    resets: int = 10
    between_resets: float = 2.0
    drain: float = 20.0
    """For what still waits somewhere to arrive."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run's private server, the path to it, and who is at its ends."""

    server: RedisServer
    path: TcpProxy
    worker: Worker
    publisher: Publisher


def kill(bench: Bench, times: Times) -> None:
    """The server is killed, and comes back from its append-only file."""
    bench.server.kill()
    time.sleep(times.down)
    bench.server.start()


def kill_in_traffic(bench: Bench, times: Times) -> None:
    """The server is killed while messages are sent and consumed as fast as may be."""
    for number in range(_BURST):
        bench.publisher.send(f"burst-{number}")
        if number == _BURST // 2:
            bench.server.kill()
    time.sleep(times.down)
    bench.server.start()


def flush(bench: Bench, times: Times) -> None:  # noqa: ARG001  # as the others
    """The server forgets everything."""
    with redis.Redis.from_url(bench.server.url) as client:
        client.flushall()


def cut_for_good(bench: Bench, times: Times) -> None:
    """The path is dead, and has then forgotten the connections."""
    bench.path.cut()
    time.sleep(times.cut)
    bench.path.mend(forget=True)


def cut_for_a_while(bench: Bench, times: Times) -> None:
    """The path is dead, and then goes on with the same connections."""
    bench.path.cut()
    time.sleep(times.cut)
    bench.path.mend(forget=False)


def resets(bench: Bench, times: Times) -> None:
    """All connections are reset, again and again."""
    for _ in range(times.resets):
        bench.path.reset()
        time.sleep(times.between_resets)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is done to the broker."""

    name: str
    outage: Callable[[Bench, Times], None]
    busy: bool
    """The long task runs meanwhile."""
    profile: Profile = Profile.NODE
    supervised: bool = True
    ringing: bool = True
    """A message is published every second, before, during and after; else only after."""
    late: bool = False
    """For comparison: messages are acknowledged late, as ours never are."""


_PATH = "path dead 60 s"
SCENARIOS: Sequence[Scenario] = (
    Scenario("Redis killed for 10 s, task running", kill, True),
    Scenario("the same without a supervisor", kill, True, supervised=False),
    Scenario("Redis killed for 10 s, idle", kill, False),
    Scenario("the same without a supervisor", kill, False, supervised=False),
    Scenario("Redis killed amid 400 messages", kill_in_traffic, False),
    Scenario("FLUSHALL, task running", flush, True),
    Scenario("FLUSHALL, idle", flush, False),
    Scenario(f"{_PATH}, connections forgotten, task running", cut_for_good, True),
    Scenario(f"{_PATH}, connections forgotten, idle", cut_for_good, False),
    Scenario("the same, nobody rings meanwhile", cut_for_good, False, ringing=False),
    Scenario(f"{_PATH}, connections live on, task running", cut_for_a_while, True),
    Scenario(f"{_PATH}, connections live on, idle", cut_for_a_while, False),
    Scenario("ten resets, task running", resets, True),
    Scenario("main server: Redis killed for 10 s, task running", kill, True, Profile.SITE),
    Scenario("main server: Redis killed for 10 s, idle", kill, False, Profile.SITE),
    Scenario("main server: FLUSHALL, task running", flush, True, Profile.SITE),
    Scenario(f"main server: {_PATH}, forgotten, idle", cut_for_good, False, Profile.SITE),
    Scenario("late acknowledgement: ten resets", resets, True, late=True),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it."""

    begun: int
    """How often the long task began."""
    ended: int
    exits: tuple[str, ...]
    """Why the worker ended, as often as it did."""
    resumed: float | None
    """Seconds until a message was consumed, after the outage and the long task; None: never."""
    sent: int
    refused: int
    """Messages whose publisher was told that they were not taken."""
    lost: int
    doubled: int


def passed(scenario: Scenario, seen: Seen) -> bool:
    """Whether our design can live with it. Doorbells of the outage may be lost: others follow."""
    once = int(scenario.busy)
    return (
        (seen.begun, seen.ended) == (once, once)
        and seen.resumed is not None
        and seen.resumed <= LIMIT_SECONDS
        and (scenario.supervised or not seen.exits)
    )


def measure(
    scenario: Scenario,
    times: Times | None = None,
    transport: Mapping[str, str] | None = None,
    logs: Path | None = None,
) -> Seen:
    """Do it once, with a Redis and a worker of its own. Raises TimeoutError.

    `transport`: for the worker's environment. `logs`: where its log and diary are to stay.
    """
    times = times or Times()
    with tempfile.TemporaryDirectory(prefix="dubfleet-broker-") as name:
        folder = logs or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with _bench(scenario, folder, transport or {}) as bench:
            over = _go_through(scenario, times, bench)
            return _seen(bench, over)


@contextmanager
def _bench(scenario: Scenario, folder: Path, more: Mapping[str, str]) -> Iterator[Bench]:
    with redis_server() as server, tcp_proxy(server.port) as path:
        # A killed server refuses connections; a proxy would take them.
        by_path = scenario.outage in (cut_for_good, cut_for_a_while, resets)
        worker = Worker(
            scenario.profile,
            RedisServer(server.folder, path.port if by_path else server.port).url,
            folder,
            supervised=scenario.supervised,
            more={**more, **({LATE_VARIABLE: "1"} if scenario.late else {})},
        )
        try:
            worker.start()
            yield Bench(server, path, worker, Publisher(scenario.profile, server.url))
        finally:
            worker.stop()


def _go_through(scenario: Scenario, times: Times, bench: Bench) -> float:
    """The moment from which nothing is in the way of the next message."""
    diary = bench.worker.diary
    if scenario.busy:
        bench.publisher.send(LESSON, times.lesson)
        diary.wait(BEGUN, LESSON, LIMIT_SECONDS)
    with bench.publisher.ringing() if scenario.ringing else nullcontext():
        time.sleep(times.before)
        scenario.outage(bench, times)
        over = time.monotonic()
        if scenario.busy:
            with suppress(TimeoutError):
                diary.wait(ENDED, LESSON, times.lesson + LIMIT_SECONDS)
                over = max(over, diary.times(ENDED, LESSON)[0])
        with (
            nullcontext() if scenario.ringing else bench.publisher.ringing(),
            suppress(TimeoutError),
        ):
            wait_for(lambda: _resumed(bench, over), _GIVE_UP_SECONDS, "nothing was consumed")
    _drain(bench, times.drain)
    return over


def _resumed(bench: Bench, over: float) -> float | None:
    """When the first short task after it began, if one sent still later was consumed as well.

    A worker can consume a single message, and then nothing any more.
    """
    begun = {name: at for at, what, name in bench.worker.diary.entries() if what == BEGUN}
    first = min((at for name, at in begun.items() if at > over and name != LESSON), default=None)
    if first is None:
        return None
    # A copy: it may be growing.
    sent = list(bench.publisher.sent.items())
    goes_on = any(at > first and name in begun for name, at in sent)
    return first if goes_on else None


def _drain(bench: Bench, seconds: float) -> None:
    """Give what still waits somewhere the time to arrive, and what comes twice, too."""
    sent = bench.publisher.sent.keys()
    with suppress(TimeoutError):
        wait_for(lambda: sent <= bench.worker.diary.begun().keys(), seconds, "lost")
    time.sleep(_TWICE_SECONDS)


def _seen(bench: Bench, over: float) -> Seen:
    begun = bench.worker.diary.begun()
    sent = bench.publisher.sent.keys() - {LESSON}
    resumed = _resumed(bench, over)
    return Seen(
        begun=begun[LESSON],
        ended=len(bench.worker.diary.times(ENDED, LESSON)),
        exits=tuple(bench.worker.exits),
        resumed=None if resumed is None else resumed - over,
        sent=len(sent),
        refused=len(bench.publisher.refused),
        lost=sum(name not in begun for name in sent),
        doubled=sum(count > 1 for name, count in begun.items() if name != LESSON),
    )

"""What is done to the broker under a worker, and what is seen of it. See `benchmarks.broker`."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.broker_bench import (
    BEGUN,
    ENDED,
    Bells,
    Diary,
    Profile,
    Publisher,
    Worker,
    wait_for,
)
from tests.support.redis import RedisServer, redis_server
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

LESSON = "lesson"
"""The long task; "bell-N" are the short ones, one every second."""
LESSON_SECONDS = 25.0
DOWN_SECONDS = 10.0
CUT_SECONDS = 60.0
BEFORE_SECONDS = 3.0
LIMIT_SECONDS = 60.0
"""Consumption has to begin again within so long after the outage, and after a running task."""
_GIVE_UP_SECONDS = 150.0
_DRAIN_SECONDS = 20.0
_RESETS, _RESET_EVERY = 10, 2.0
_BURST = 400


@dataclass
class Bench:
    """One run's private server, the path to it, and who is at its ends."""

    server: RedisServer
    path: TcpProxy
    worker: Worker
    publisher: Publisher


Outage = Callable[[Bench], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is done to the broker."""

    name: str
    outage: Outage
    busy: bool
    """A long task runs meanwhile."""
    profile: Profile = Profile.NODE
    supervised: bool = True
    late: bool = False
    """Messages are acknowledged late, as ours never are."""
    doorbells: bool = True
    """A message is published every second, before, during and after."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it."""

    supervised: bool
    busy: bool
    begun: int
    """How often the long task began; 1 is right."""
    ended: int
    exits: tuple[str, ...]
    """Why the worker ended, as often as it did."""
    resumed: float | None
    """Seconds until a message was consumed, after the outage and the long task; None: never."""
    sent: int
    refused: int
    """The publisher was told that they were not taken."""
    lost: int
    doubled: int

    @property
    def passed(self) -> bool:
        """Whether our design can live with it. It can lose doorbells: they are rung again."""
        once = (self.begun, self.ended) == (1, 1) if self.busy else True
        return once and self.resumed is not None and self.resumed <= LIMIT_SECONDS


def kill(bench: Bench) -> None:
    """The server is killed, and comes back from its append-only file."""
    bench.server.kill()
    time.sleep(DOWN_SECONDS)
    bench.server.start()


def flush(bench: Bench) -> None:
    """The server forgets everything."""
    with redis.Redis.from_url(bench.server.url) as client:
        client.flushall()


def cut_for_good(bench: Bench) -> None:
    """The path is dead for a minute, and has then forgotten the connections."""
    bench.path.cut()
    time.sleep(CUT_SECONDS)
    bench.path.mend(forget=True)


def cut_for_a_while(bench: Bench) -> None:
    """The path is dead for a minute, and then goes on with the same connections."""
    bench.path.cut()
    time.sleep(CUT_SECONDS)
    bench.path.mend(forget=False)


def resets(bench: Bench) -> None:
    """All connections are reset, ten times."""
    for _ in range(_RESETS):
        bench.path.reset()
        time.sleep(_RESET_EVERY)


def kill_in_traffic(bench: Bench) -> None:
    """The server is killed while messages are sent and consumed as fast as may be."""
    for number in range(_BURST):
        bench.publisher.send(f"burst-{number}")
        if number == _BURST // 2:
            bench.server.kill()
    time.sleep(DOWN_SECONDS)
    bench.server.start()


SCENARIOS: Sequence[Scenario] = (
    Scenario("Redis killed for 10 s, a task runs, no supervisor", kill, True, supervised=False),
    Scenario("Redis killed for 10 s, a task runs", kill, True),
    Scenario("Redis killed for 10 s, idle, no supervisor", kill, False, supervised=False),
    Scenario("Redis killed for 10 s, idle", kill, False),
    Scenario("Redis killed in the middle of 400 messages", kill_in_traffic, False),
    Scenario("FLUSHALL, a task runs", flush, True),
    Scenario("FLUSHALL, idle", flush, False),
    Scenario("path dead for 60 s, connections forgotten, a task runs", cut_for_good, True),
    Scenario("path dead for 60 s, connections forgotten, idle", cut_for_good, False),
    Scenario(
        "path dead for 60 s, connections forgotten, idle, no doorbells meanwhile",
        cut_for_good,
        False,
        doorbells=False,
    ),
    Scenario("path dead for 60 s, connections live on, a task runs", cut_for_a_while, True),
    Scenario("path dead for 60 s, connections live on, idle", cut_for_a_while, False),
    Scenario("connections reset ten times, a task runs", resets, True),
    Scenario("main server's worker: Redis killed for 10 s, a task runs", kill, True, Profile.SITE),
    Scenario("main server's worker: Redis killed for 10 s, idle", kill, False, Profile.SITE),
    Scenario("main server's worker: FLUSHALL, a task runs", flush, True, Profile.SITE),
    Scenario("main server's worker: path dead for 60 s, idle", cut_for_good, False, Profile.SITE),
    Scenario("if acknowledged late: Redis killed for 10 s, a task runs", kill, True, late=True),
    Scenario(
        "if acknowledged late: Redis killed for 10 s, a task runs, no supervisor",
        kill,
        True,
        supervised=False,
        late=True,
    ),
    Scenario("if acknowledged late: connections reset ten times", resets, True, late=True),
)


def measure(scenario: Scenario, kept: Path | None = None) -> Seen:
    """Do it once, with a Redis and a worker of its own. `kept`: where the logs are left."""
    with tempfile.TemporaryDirectory(prefix="dubfleet-broker-") as name:
        folder = kept or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with _bench(scenario, folder) as bench:
            return _measure(scenario, bench)


@contextmanager
def _bench(scenario: Scenario, folder: Path) -> Iterator[Bench]:
    with redis_server() as server, tcp_proxy(server.port) as path:
        # A killed server refuses connections; a proxy would take them.
        uses_path = scenario.outage in (cut_for_good, cut_for_a_while, resets)
        url = server.url.replace(str(server.port), str(path.port)) if uses_path else server.url
        worker = Worker(
            scenario.profile, url, folder, supervised=scenario.supervised, late=scenario.late
        )
        try:
            worker.start()
            yield Bench(server, path, worker, Publisher(scenario.profile, server.url))
        finally:
            worker.stop()


def _measure(scenario: Scenario, bench: Bench) -> Seen:
    diary, bells = bench.worker.diary, Bells(bench.publisher)
    if scenario.busy:
        bench.publisher.send(LESSON, LESSON_SECONDS)
        diary.wait(BEGUN, LESSON, 20)
    if scenario.doorbells:
        bells.start()
    try:
        time.sleep(BEFORE_SECONDS)
        scenario.outage(bench)
        over = time.monotonic()
        if not scenario.doorbells:
            bells.start()
        if scenario.busy:
            with suppress(TimeoutError):
                diary.wait(ENDED, LESSON, LESSON_SECONDS + LIMIT_SECONDS)
                over = max(over, diary.times(ENDED, LESSON)[0])
        with suppress(TimeoutError):
            wait_for(lambda: first_after(diary, over), _GIVE_UP_SECONDS, "nothing was consumed")
    finally:
        bells.stop()
    resumed = first_after(diary, over)
    _drain(bench)
    return _seen(scenario, bench, None if resumed is None else resumed - over)


def first_after(diary: Diary, moment: float) -> float | None:
    """When the first short task began after it."""
    return next(
        (
            at
            for at, what, name in diary.entries()
            if at > moment and what == BEGUN != name != LESSON
        ),
        None,
    )


def _drain(bench: Bench) -> None:
    """Give what still waits somewhere the time to arrive."""
    sent = set(bench.publisher.sent)
    with suppress(TimeoutError):
        wait_for(lambda: sent <= bench.worker.diary.begun().keys(), _DRAIN_SECONDS, "lost")
    # A message that is delivered again would come now.
    time.sleep(2.0)


def _seen(scenario: Scenario, bench: Bench, resumed: float | None) -> Seen:
    begun = bench.worker.diary.begun()
    bells = Counter({name: count for name, count in begun.items() if name != LESSON})
    sent = [name for name in bench.publisher.sent if name != LESSON]
    return Seen(
        supervised=scenario.supervised,
        busy=scenario.busy,
        begun=begun[LESSON],
        ended=len(bench.worker.diary.times(ENDED, LESSON)),
        exits=tuple(f"{one.code}: {one.reason}" for one in bench.worker.exits),
        resumed=resumed,
        sent=len(sent),
        refused=len(bench.publisher.refused),
        lost=sum(name not in bells for name in sent),
        doubled=sum(count > 1 for count in bells.values()),
    )

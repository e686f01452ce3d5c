"""Whether the node puts its own server to sleep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.contracts.pulse import NodePulse
from gpu_node.contracts.watch import Instant
from gpu_node.guard.verdict import (
    GRACE_SECONDS,
    Memory,
    OwnServer,
    Sight,
    Verdict,
    observe,
    obstacle,
    verdict,
)

MAX_UPTIME = 12 * 3600.0
GONE = Sight(site=False, redis=False, worker=False, pulse=None)
HERE = replace(GONE, site=True, redis=True)


def pulse(beat: int, *, busy: bool = False, kept: bool = False) -> NodePulse:
    return NodePulse(
        boot_id="worker-boot-1",
        beat=beat,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        node="gpu-1",
        busy=busy,
        job="job-1" if busy else None,
        kept=kept,
    )


def working(beat: int, **what: bool) -> Sight:
    return replace(GONE, worker=True, pulse=pulse(beat, **what))


@dataclass
class Watch:
    """Looks once a minute from the moment the machine has booted."""

    memory: Memory | None = None
    seconds: float = 60.0
    boot: str = "boot"
    verdicts: list[Verdict] = field(default_factory=list)

    def look(self, sight: Sight) -> bool:
        now = Instant(self.boot, self.seconds)
        self.memory = observe(self.memory, sight, now)
        self.verdicts.append(verdict(sight, self.memory, now, MAX_UPTIME))
        self.seconds += 60.0
        return self.verdicts[-1].sleep


def test_thirty_minutes_without_a_main_server_and_without_a_job() -> None:
    watch = Watch()
    assert [watch.look(working(n)) for n in range(31)] == [False] * 30 + [True]


@pytest.mark.parametrize(
    "there", [HERE, replace(GONE, site=True), replace(GONE, redis=True)], ids=["both", "1", "2"]
)
def test_either_of_site_and_redis_is_a_main_server(there: Sight) -> None:
    watch = Watch()
    assert not any(watch.look(there) for _ in range(2000))


def test_one_answer_begins_the_thirty_minutes_anew() -> None:
    watch = Watch()
    assert not any(watch.look(HERE if n == 20 else GONE) for n in range(51))
    assert watch.look(GONE)


def test_looks_that_were_not_taken_are_no_watch() -> None:
    watch = Watch()
    for _ in range(25):
        watch.look(GONE)
    watch.seconds += 400
    assert not any(watch.look(GONE) for _ in range(30))
    assert watch.look(GONE)


def test_a_new_boot_begins_anew() -> None:
    watch = Watch()
    for _ in range(29):
        watch.look(GONE)
    watch.boot, watch.seconds = "another", 2000.0
    assert not any(watch.look(GONE) for _ in range(30))
    assert watch.look(GONE)


def test_a_job_keeps_it_awake_until_an_hour_beyond_the_maximum() -> None:
    """Without a main server it may never end: its inputs do not come, nobody takes its failure."""
    watch = Watch()
    looks = [watch.look(working(n, busy=True)) for n in range(13 * 60 + 1)]
    assert looks.index(True) == 13 * 60
    assert "a job runs" in watch.verdicts[-2].why
    assert watch.verdicts[-1].why.endswith("awake for 13.0 h")


def test_a_job_that_ends_leaves_it_without_one() -> None:
    watch = Watch()
    assert not any(watch.look(working(n, busy=True)) for n in range(300))
    assert watch.look(working(300))


def test_a_result_that_only_waits_for_the_site_does_not_keep_it_awake() -> None:
    watch = Watch()
    for n in range(40):
        watch.look(working(n, busy=True))
    assert watch.look(working(41, busy=True, kept=True))


def test_what_a_dead_worker_has_left_is_no_job() -> None:
    watch = Watch()
    left = replace(working(7, busy=True), worker=False)
    assert [watch.look(left) for _ in range(31)] == [False] * 30 + [True]


@pytest.mark.parametrize(
    "silent",
    [working(7), working(7, busy=True), replace(GONE, worker=True)],
    ids=["idle last", "busy last", "no file"],
)
def test_a_worker_that_lives_and_says_nothing_leaves_only_the_uptime(silent: Sight) -> None:
    watch = Watch()
    looks = [watch.look(silent) for _ in range(13 * 60 + 1)]
    assert looks.index(True) == 13 * 60
    assert watch.verdicts[-1].why.endswith("awake for 13.0 h")


def test_the_uptime_alone_is_no_reason_while_the_main_server_is_there() -> None:
    watch = Watch(seconds=40 * 3600.0)
    assert not any(watch.look(replace(HERE, worker=True)) for _ in range(100))
    assert not any(watch.look(replace(working(n, busy=True), site=True)) for n in range(100))


sights = st.builds(
    Sight,
    site=st.booleans() | st.just(False),
    redis=st.booleans() | st.just(False),
    worker=st.booleans(),
    pulse=st.none()
    | st.builds(
        pulse, st.integers(min_value=0, max_value=5), busy=st.booleans(), kept=st.booleans()
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(sights, st.sampled_from([60.0, 60.0, 200.0, 900.0]), st.integers(1, 40)),
        max_size=10,
    )
)
def test_whatever_happens_it_sleeps_only_without_a_main_server_and_a_job(
    history: list[tuple[Sight, float, int]],
) -> None:
    watch, beat, here_at = Watch(), 100, 0.0
    for sight, step, times in history:
        for _ in range(times):
            beat += 1
            if sight.pulse is not None and sight.pulse.beat > 2:
                sight = replace(sight, pulse=sight.pulse.model_copy(update={"beat": beat}))
            here_at = watch.seconds if sight.main_server else here_at
            asked_at = watch.seconds
            if not watch.look(sight):
                watch.seconds += step - 60.0
                continue
            assert asked_at - here_at >= 1800.0
            said = sight.pulse
            alive = sight.worker and said is not None and said.beat > 2
            at_work = alive and said is not None and said.busy and not said.kept
            assert not at_work or asked_at > MAX_UPTIME + GRACE_SECONDS
            watch.seconds += step - 60.0


SERVER = OwnServer(status="ACTIVE", task_state=None, locked=False, held=False)
MEMORY = Memory(boot="boot", looked=5000.0, gone_since=0.0)
NOW = Instant("boot", 5000.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"locked": True},
        {"locked": None},
        {"held": True},
        {"task_state": "shelving"},
        {"status": "SHELVED_OFFLOADED"},
        {"status": "ERROR"},
    ],
)
def test_what_stands_against_asking(changes: dict[str, object]) -> None:
    assert obstacle(SERVER, MEMORY, NOW) == ""
    server = replace(SERVER, **changes)  # type: ignore[arg-type]  # each value fits its name
    assert obstacle(server, MEMORY, NOW) != ""


def test_it_is_asked_again_after_five_minutes() -> None:
    asked = MEMORY.model_copy(update={"asked_at": 4701.0})
    assert "short while ago" in obstacle(SERVER, asked, NOW)
    assert obstacle(SERVER, MEMORY.model_copy(update={"asked_at": 4700.0}), NOW) == ""

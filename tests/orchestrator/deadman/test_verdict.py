"""What the switch decides, look after look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from gpu_node.contracts.watch import Instant
from orchestrator.deadman.facts import RedisFacts, ServerFacts
from orchestrator.deadman.memory import Asked, Memory
from orchestrator.deadman.verdict import Decision, Verdict, look
from tests.orchestrator.deadman.values import RULES, SERVER, at, awake_for, node_pulse, redis

Said = Callable[[int], RedisFacts | None]


@dataclass
class Watch:
    """Looks once a minute, as the timer does; `said` is what Redis says in each minute."""

    said: Said
    server: ServerFacts = SERVER
    memory: Memory | None = None
    minute: int = 0
    verdicts: list[Verdict] = field(default_factory=list)

    def look(self, now: Instant | None = None) -> Verdict:
        found = look(
            [self.server], self.said(self.minute), self.memory, now or at(self.minute), RULES
        )
        self.memory = found.memory
        self.minute += 1
        self.verdicts.append(found.verdicts[self.server.server_id])
        return self.verdicts[-1]

    def look_for(self, minutes: int) -> list[Decision]:
        return [self.look().decision for _ in range(minutes)]


def abandoned(minute: int) -> RedisFacts:
    """The controller is dead, the node beats and has no job."""
    return redis(1, node_pulse(minute))


def test_thirty_minutes_without_a_controller_and_without_a_job() -> None:
    watch = Watch(abandoned)
    assert watch.look_for(30) == [Decision.LEAVE] * 30
    assert watch.look().decision is Decision.SHELVE


def test_a_controller_that_ticks_keeps_it_awake() -> None:
    watch = Watch(lambda minute: redis(minute, node_pulse(minute)))
    assert set(watch.look_for(200)) == {Decision.LEAVE}
    assert not any(one.alarm for one in watch.verdicts)


def test_one_tick_begins_the_thirty_minutes_anew() -> None:
    watch = Watch(lambda minute: redis(2 if minute >= 29 else 1, node_pulse(minute)))
    assert set(watch.look_for(59)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def test_a_job_keeps_it_awake_without_a_controller_and_somebody_is_told() -> None:
    watch = Watch(lambda minute: redis(1, node_pulse(minute, job="job-1")))
    assert set(watch.look_for(100)) == {Decision.LEAVE}
    assert watch.verdicts[-1].alarm
    assert "job" in watch.verdicts[-1].why


def test_a_result_that_only_waits_for_the_site_does_not_keep_it_awake() -> None:
    def said(minute: int) -> RedisFacts:
        done = node_pulse(minute, job="job-1").model_copy(update={"kept": True})
        return redis(1, done)

    watch = Watch(said)
    assert watch.look_for(30) == [Decision.LEAVE] * 30
    assert watch.look().decision is Decision.SHELVE


def test_thirty_minutes_begin_anew_when_a_job_ends() -> None:
    watch = Watch(lambda m: redis(1, node_pulse(m, job="job-1" if m == 20 else None)))
    assert set(watch.look_for(51)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def test_a_worker_that_asks_for_a_job_is_not_idle() -> None:
    def said(minute: int) -> RedisFacts:
        return redis(1, node_pulse(minute).model_copy(update={"busy": True}))

    assert set(Watch(said).look_for(60)) == {Decision.LEAVE}


@pytest.mark.parametrize("job", [None, "job-1"])
def test_a_silent_node_shows_nothing_whatever_its_last_word_was(job: str | None) -> None:
    """Its path to Redis may be broken while it works for the site."""
    watch = Watch(lambda minute: redis(1, node_pulse(min(minute, 5), job)))
    assert set(watch.look_for(200)) == {Decision.LEAVE}


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(lambda _: None, id="unreachable"),
        pytest.param(lambda _: redis(None, None), id="emptied"),
        pytest.param(lambda m: redis(None, node_pulse(m)), id="emptied, and the node came back"),
        pytest.param(lambda _: redis(1, None), id="the node's pulse was never there"),
        pytest.param(lambda m: redis(1, node_pulse(m), run_id=""), id="no word of its start"),
        pytest.param(lambda m: redis(1, node_pulse(m), uptime=1799.0), id="started lately"),
        pytest.param(lambda m: redis(1, node_pulse(m), run_id=f"run-{m}"), id="started again"),
    ],
)
def test_only_the_uptime_counts_when_redis_does_not(unknown: Said) -> None:
    watch = Watch(unknown)
    assert set(watch.look_for(120)) == {Decision.LEAVE}
    watch.server = awake_for(13.1)
    assert watch.look().decision is Decision.SHELVE


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(lambda _: redis(None, None), id="emptied"),
        pytest.param(lambda m: redis(None, node_pulse(m)), id="emptied, and the node came back"),
        pytest.param(lambda m: redis(1, node_pulse(m), run_id=""), id="no word of its start"),
    ],
)
def test_somebody_is_told_when_redis_knows_of_no_controller_for_long(unknown: Said) -> None:
    watch = Watch(lambda m: unknown(m) if m >= 10 else abandoned(m))
    assert set(watch.look_for(200)) == {Decision.LEAVE}
    assert [one.alarm for one in watch.verdicts].index(True) == 40
    assert all(one.alarm for one in watch.verdicts[40:])


def test_looks_that_were_not_taken_do_not_silence_it() -> None:
    watch = Watch(lambda _: redis(None, None))
    watch.look_for(20)
    watch.minute += 15
    assert watch.look().alarm


def test_a_controller_that_is_back_ends_the_alarm() -> None:
    watch = Watch(lambda m: redis(m, node_pulse(m)) if m >= 60 else redis(None, None))
    watch.look_for(60)
    assert watch.verdicts[-1].alarm
    watch.look_for(30)
    assert not any(one.alarm for one in watch.verdicts[60:])


@pytest.mark.parametrize(
    "interrupted",
    [
        pytest.param(lambda _: None, id="unreachable"),
        pytest.param(lambda m: redis(None, node_pulse(m)), id="emptied"),
        pytest.param(lambda _: redis(1, None), id="the node's pulse was lost"),
        pytest.param(lambda m: redis(1, node_pulse(m), run_id="other"), id="another Redis"),
    ],
)
def test_one_look_at_a_redis_that_does_not_count_begins_anew(interrupted: Said) -> None:
    watch = Watch(lambda m: interrupted(m) if m == 25 else abandoned(m))
    assert set(watch.look_for(56)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def test_looks_that_were_not_taken_are_no_watch() -> None:
    watch = Watch(abandoned)
    watch.look_for(25)
    watch.minute += 6
    assert set(watch.look_for(30)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def test_another_start_of_this_machine_begins_anew() -> None:
    watch = Watch(abandoned)
    watch.look_for(29)
    assert watch.look(Instant("another boot", 900_000.0)).decision is Decision.LEAVE
    assert watch.look(Instant("another boot", 900_060.0)).decision is Decision.LEAVE


def test_what_others_say_the_time_is_does_not_matter() -> None:
    def said(minute: int) -> RedisFacts:
        there = abandoned(minute)
        assert there.controller is not None
        later = there.controller.at.replace(year=2026 + minute)
        return replace(there, controller=there.controller.model_copy(update={"at": later}))

    watch = Watch(said)
    watch.look_for(30)
    assert watch.look().decision is Decision.SHELVE


@pytest.mark.parametrize(("hours", "decision"), [(13.0, "leave"), (13.01, "shelve")])
def test_the_maximum_and_an_hour(hours: float, decision: str) -> None:
    busy = redis(1, node_pulse(1, job="job-1"))
    assert Watch(lambda _: busy, awake_for(hours)).look().decision == decision


def test_its_own_watch_tells_the_uptime_when_the_clouds_clock_cannot_be_believed() -> None:
    assert SERVER.wake is not None
    server = replace(SERVER, wake=replace(SERVER.wake, seconds_ago=None))
    watch = Watch(lambda m: redis(m, node_pulse(m, job="job-1")), server)
    assert set(watch.look_for(13 * 60 + 1)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def unreadable(server: ServerFacts = SERVER) -> ServerFacts:
    """Its list of actions did not come."""
    return replace(server, wake=None)


def test_a_list_that_cannot_be_read_now_and_then_does_not_end_the_watch() -> None:
    watch = Watch(abandoned)
    for minute in range(30):
        watch.server = unreadable() if minute % 7 == 3 else SERVER
        assert watch.look().decision is Decision.LEAVE
    watch.server = SERVER
    assert watch.look().decision is Decision.SHELVE


def test_its_own_account_of_the_uptime_outlives_a_list_that_cannot_be_read() -> None:
    assert SERVER.wake is not None
    server = replace(SERVER, wake=replace(SERVER.wake, seconds_ago=None))
    watch = Watch(lambda m: redis(m, node_pulse(m, job="job-1")), server)
    for minute in range(13 * 60 + 1):
        watch.server = unreadable() if minute % 60 == 30 else server
        assert watch.look().decision is Decision.LEAVE
    assert watch.look().decision is Decision.SHELVE


def test_nothing_is_asked_while_the_list_cannot_be_read_and_somebody_is_told() -> None:
    watch = Watch(abandoned)
    watch.look_for(30)
    watch.server = unreadable()
    found = watch.look()
    assert (found.decision, found.alarm) == (Decision.LEAVE, True)
    watch.server = SERVER
    assert watch.look().decision is Decision.SHELVE


def test_a_request_is_remembered_while_the_list_cannot_be_read() -> None:
    watch = Watch(lambda m: redis(m, node_pulse(m)), awake_for(20))
    assert watch.look().decision is Decision.SHELVE
    watch.memory = asked(watch.memory, 0)
    watch.server = unreadable()
    watch.look()
    watch.server = awake_for(20)
    assert watch.look().decision is Decision.WAIT


def test_a_waking_that_nobody_saw_begins_anew() -> None:
    """It slept and was woken while the list could not be read."""
    assert SERVER.wake is not None
    watch = Watch(abandoned)
    watch.look_for(29)
    watch.server = unreadable()
    watch.look()
    watch.server = replace(SERVER, wake=replace(SERVER.wake, request_id="req-2"))
    assert set(watch.look_for(30)) == {Decision.LEAVE}
    assert watch.look().decision is Decision.SHELVE


def test_what_is_known_of_a_server_that_sleeps_meanwhile_is_forgotten() -> None:
    watch = Watch(abandoned)
    watch.look_for(5)
    watch.server = replace(unreadable(), status="SHELVED_OFFLOADED")
    watch.look()
    assert watch.memory is not None
    assert watch.memory.servers == {}


def test_another_waking_is_another_uptime() -> None:
    assert SERVER.wake is not None
    server = replace(SERVER, wake=replace(SERVER.wake, seconds_ago=None))
    watch = Watch(lambda m: redis(m, node_pulse(m)), server)
    watch.look_for(13 * 60)
    watch.server = replace(server, wake=replace(SERVER.wake, request_id="req-2", seconds_ago=None))
    assert set(watch.look_for(60)) == {Decision.LEAVE}


@pytest.mark.parametrize(
    ("changes", "decision", "alarm"),
    [
        ({"locked": True}, Decision.HELD, False),
        ({"held": True}, Decision.HELD, False),
        ({"locked": None}, Decision.STUCK, True),
        ({"status": "SHELVED_OFFLOADED"}, Decision.ASLEEP, False),
        ({"status": "SHELVED"}, Decision.STUCK, True),
        ({"status": "ERROR"}, Decision.STUCK, True),
        ({"status": "SHUTOFF"}, Decision.SHELVE, False),
        ({"task_state": "shelving"}, Decision.WAIT, False),
        ({"wake": None}, Decision.LEAVE, True),
    ],
)
def test_what_becomes_of_a_server_that_is_awake_for_too_long(
    changes: dict[str, object], decision: Decision, alarm: bool
) -> None:
    server = replace(awake_for(20), **changes)  # type: ignore[arg-type]  # each value fits its name
    found = Watch(lambda m: redis(m, node_pulse(m)), server).look()
    assert (found.decision, found.alarm) == (decision, alarm)


def asked(memory: Memory | None, minute: int) -> Memory:
    """As the shell notes it."""
    assert memory is not None
    one = memory.servers[SERVER.server_id]
    first = one.asked.first_at if one.asked else at(minute).seconds
    note = Asked(first_at=first, last_at=at(minute).seconds, times=1)
    return memory.model_copy(
        update={"servers": {SERVER.server_id: one.model_copy(update={"asked": note})}}
    )


def test_a_request_that_failed_is_sent_again_after_five_minutes_and_then_told() -> None:
    watch = Watch(lambda m: redis(m, node_pulse(m)), awake_for(20))
    sent = []
    for minute in range(21):
        found = watch.look()
        if found.decision is Decision.SHELVE:
            sent.append(minute)
            watch.memory = asked(watch.memory, minute)
    assert sent == [0, 5, 10, 15, 20]
    assert [one.alarm for one in watch.verdicts].index(True) == 16


def test_a_server_that_was_asked_is_not_asked_by_another_start_of_this_machine_at_once() -> None:
    watch = Watch(lambda m: redis(m, node_pulse(m)), awake_for(20))
    watch.look()
    watch.memory = asked(watch.memory, 0)
    assert watch.look(Instant("another boot", 10.0)).decision is Decision.WAIT
    assert watch.look(Instant("another boot", 310.0)).decision is Decision.SHELVE


def test_sleep_ends_what_is_remembered() -> None:
    watch = Watch(lambda m: redis(m, node_pulse(m)), awake_for(20))
    watch.look()
    watch.memory = asked(watch.memory, 0)
    watch.server = replace(SERVER, status="SHELVED_OFFLOADED", wake=None)
    assert watch.look().decision is Decision.ASLEEP
    assert watch.memory.servers == {}

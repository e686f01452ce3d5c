"""What is to be done about each server. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gpu_node.contracts.watch import RETRY_SECONDS, SHELVABLE, Instant
from orchestrator.deadman.facts import RedisFacts, ServerFacts
from orchestrator.deadman.memory import Memory, ServerMemory, observe

ABANDONED_SECONDS = 30 * 60.0
"""Without a controller and without a job for so long, a server is put to sleep (the issue's figure;
also how long ago Redis must have been started for what it says to count)."""

GRACE_SECONDS = 3600.0
"""Beyond the maximum uptime, which the fleet itself keeps to as long as it works."""

ALARM_SECONDS = 900.0
"""A server that is still paid for so long after it was asked to sleep is a person's business."""


_ONLY_UPTIME = "only its uptime counts"


@dataclass(frozen=True, slots=True)
class Rules:
    max_uptime_seconds: float


class Decision(StrEnum):
    """What follows for one server."""

    ASLEEP = "asleep"
    LEAVE = "leave"
    HELD = "held"
    """A person has locked it, or put a hold on it."""
    WAIT = "wait"
    """It has to sleep, and the cloud is at it, or was asked a short while ago."""
    SHELVE = "shelve"
    STUCK = "stuck"
    """It has to sleep, and cannot be asked to."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`alarm`: a person has to look."""

    decision: Decision
    why: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One look: what is remembered of it, and what it says of each server, by id."""

    memory: Memory
    verdicts: Mapping[str, Verdict]


def look(
    servers: Sequence[ServerFacts],
    redis: RedisFacts | None,
    memory: Memory | None,
    now: Instant,
    rules: Rules,
) -> Outcome:
    """The verdict on every server, and the memory for the next look."""
    after = observe(memory, servers, redis, now)
    return Outcome(
        after, {one.server_id: verdict(one, redis, after, now, rules) for one in servers}
    )


def verdict(
    server: ServerFacts, redis: RedisFacts | None, memory: Memory, now: Instant, rules: Rules
) -> Verdict:
    """On one server, after this look has been noted in `memory`."""
    if server.asleep:
        return Verdict(Decision.ASLEEP, f"it is {server.status}")
    if server.held or server.locked:
        return Verdict(Decision.HELD, "it is locked" if server.locked else "a hold is on it")
    known = memory.servers.get(server.server_id)
    if server.wake is None:
        # What is known of it may be of an earlier waking.
        return _leave(server, known, redis, memory, now)
    cause = _too_long(server, known, now, rules) or _abandoned(known, redis, memory, now)
    if not cause:
        return _leave(server, known, redis, memory, now)
    return _sleep(server, known, cause, now)


def _too_long(server: ServerFacts, known: ServerMemory | None, now: Instant, rules: Rules) -> str:
    """Each account of its uptime is at most the true one, so the longer of them counts."""
    ours = now.seconds - known.awake_since if known is not None else 0.0
    theirs = server.wake.seconds_ago if server.wake is not None else None
    uptime = max(ours, theirs or 0.0)
    if uptime <= rules.max_uptime_seconds + GRACE_SECONDS:
        return ""
    return f"it has been awake for {uptime / 3600:.1f} h"


def _abandoned(
    known: ServerMemory | None, redis: RedisFacts | None, memory: Memory, now: Instant
) -> str:
    if known is None or known.idle_since is None or memory.controller is None or redis is None:
        return ""
    if redis.uptime_seconds < ABANDONED_SECONDS:
        return ""
    silent, idle = now.seconds - memory.controller.since, now.seconds - known.idle_since
    if min(silent, idle) < ABANDONED_SECONDS:
        return ""
    return f"no controller for {silent / 60:.0f} min, and no job for {idle / 60:.0f} min"


def _leave(
    server: ServerFacts,
    known: ServerMemory | None,
    redis: RedisFacts | None,
    memory: Memory,
    now: Instant,
) -> Verdict:
    """Nothing is to be done about it, but somebody may have to know why."""
    if known is None or server.wake is None or server.locked is None:
        return Verdict(Decision.LEAVE, "the cloud does not say all about it", alarm=True)
    if redis is None:
        return Verdict(Decision.LEAVE, f"Redis cannot be asked: {_ONLY_UPTIME}", alarm=True)
    if memory.controller is None:
        why = f"Redis has no pulse of a controller: {_ONLY_UPTIME}"
        return Verdict(Decision.LEAVE, why, alarm=_unknown_for_long(memory, now))
    if redis.uptime_seconds < ABANDONED_SECONDS:
        return Verdict(Decision.LEAVE, f"Redis was started lately: {_ONLY_UPTIME}")
    alone = now.seconds - memory.controller.since >= ABANDONED_SECONDS
    if known.idle_since is None:
        why = f"its worker has a job, or is silent: {_ONLY_UPTIME}"
        return Verdict(Decision.LEAVE, why, alarm=alone)
    return Verdict(Decision.LEAVE, "it is within its bounds", alarm=alone)


def _unknown_for_long(memory: Memory, now: Instant) -> bool:
    """A Redis that was emptied and that no controller has written to again."""
    since = memory.unknown_since
    return since is not None and now.seconds - since >= ABANDONED_SECONDS


def _sleep(server: ServerFacts, known: ServerMemory | None, cause: str, now: Instant) -> Verdict:
    """It has to sleep: whether it can be asked to now."""
    asked = known.asked if known is not None else None
    late = asked is not None and now.seconds - asked.first_at > ALARM_SECONDS
    if server.task_state is not None:
        return Verdict(Decision.WAIT, f"{cause}; the cloud is at it: {server.task_state}", late)
    if known is None or server.locked is None:
        return Verdict(Decision.STUCK, f"{cause}; the cloud does not say all about it", True)
    if server.status not in SHELVABLE:
        return Verdict(Decision.STUCK, f"{cause}; it cannot be shelved: {server.status}", True)
    if asked is not None and now.seconds - asked.last_at < RETRY_SECONDS:
        return Verdict(Decision.WAIT, f"{cause}; it was asked to sleep {asked.times} times", late)
    return Verdict(Decision.SHELVE, cause, late)

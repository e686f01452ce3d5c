"""What the switch remembers from look to look, and how it changes by looking. Pure.

Everything here is established by the switch's own looks and its own clock: it notes that something
changed or did not, and never reads another machine's timestamp.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpu_node.contracts import watch
from gpu_node.contracts.base import Contract
from gpu_node.contracts.pulse import NodePulse
from gpu_node.contracts.watch import SILENT_SECONDS, Instant, Mark, WatchMemory, mark
from orchestrator.deadman.facts import RedisFacts, ServerFacts


class Asked(Contract):
    """Requests to shelve that were sent in this waking. Times are those of our own clock."""

    first_at: float
    last_at: float
    times: int


class ServerMemory(Contract):
    """One waking of a server."""

    wake: str
    """The request that woke it."""
    awake_since: float
    """It has been awake at least since then."""
    pulse: Mark | None = None
    idle_since: float | None = None
    """Since then each look found its worker alive and without a job."""
    asked: Asked | None = None


class Memory(WatchMemory):
    """All of it."""

    redis_run: str = ""
    """Empty: what Redis says counts for nothing, because it was not there, or had forgotten."""
    controller: Mark | None = None
    """Its pulse; `since` is never before this start of Redis was first seen."""
    unknown_since: float | None = None
    """Since then no look found a pulse of a controller that counts. For the alarm only, so that it
    matters little how many looks there were."""
    servers: dict[str, ServerMemory] = {}


def observe(
    before: Memory | None,
    servers: Sequence[ServerFacts],
    redis: RedisFacts | None,
    now: Instant,
) -> Memory:
    """The memory after one more look. `redis` is None when it could not be reached."""
    if before is not None and before.boot != now.boot:
        before = _after_restart(before, now)
    known = redis if redis is not None and not _forgotten(before, redis) else None
    goes_on = (
        before is not None
        and watch.goes_on(before, now)
        and known is not None
        and before.redis_run == known.run_id
    )
    since = before.unknown_since if before is not None else None
    return Memory(
        boot=now.boot,
        looked=now.seconds,
        redis_run=known.run_id if known else "",
        controller=mark(
            before.controller if goes_on and before else None,
            known.controller.mark if known and known.controller else None,
            now,
        ),
        unknown_since=None if known is not None else (now.seconds if since is None else since),
        servers={
            server.server_id: after
            for server in servers
            if (after := _server(before, server, known, now, goes_on=goes_on)) is not None
        },
    )


def _after_restart(before: Memory, now: Instant) -> Memory:
    """This machine was started anew: only what was asked of the cloud is still of use."""
    return Memory(
        boot=now.boot,
        looked=now.seconds,
        servers={
            server_id: ServerMemory(
                wake=one.wake,
                awake_since=now.seconds,
                asked=Asked(first_at=now.seconds, last_at=now.seconds, times=one.asked.times),
            )
            for server_id, one in before.servers.items()
            if one.asked is not None
        },
    )


def _forgotten(before: Memory | None, redis: RedisFacts) -> bool:
    """Whether Redis was emptied, as far as can be told: a pulse that was there is missing.

    Pulses expire after a month; the look that first misses one for that reason counts as this too.
    """
    if not redis.run_id or redis.controller is None:
        return True
    return before is not None and any(
        one.pulse is not None and one.pulse.value.partition("@")[2] not in redis.nodes
        for one in before.servers.values()
    )


def _server(
    before: Memory | None,
    server: ServerFacts,
    redis: RedisFacts | None,
    now: Instant,
    *,
    goes_on: bool,
) -> ServerMemory | None:
    """None for a server that is asleep, or of which it was never said when it woke.

    A list of actions that cannot be read just now ends nothing: the next one that can be names the
    request that woke it, and is compared with what is known.
    """
    if server.asleep:
        return None
    known = before.servers.get(server.server_id) if before is not None else None
    if server.wake is not None and (known is None or known.wake != server.wake.request_id):
        known = ServerMemory(wake=server.wake.request_id, awake_since=now.seconds)
    if known is None:
        return None
    said = redis.nodes.get(server.node) if redis is not None else None
    pulse = mark(
        known.pulse if goes_on else None, f"{said.mark}@{server.node}" if said else None, now
    )
    idle_since = known.idle_since if goes_on else None
    return ServerMemory(
        wake=known.wake,
        awake_since=known.awake_since,
        pulse=pulse,
        idle_since=_idle_since(idle_since, said, pulse, now),
        asked=known.asked,
    )


def _idle_since(
    before: float | None, said: NodePulse | None, pulse: Mark | None, now: Instant
) -> float | None:
    if said is None or pulse is None or not said.shows_no_job:
        return None
    if now.seconds - pulse.since > SILENT_SECONDS:
        return None
    return now.seconds if before is None else before

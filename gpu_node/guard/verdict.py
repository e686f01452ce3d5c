"""What the guard remembers, and whether its server has to sleep. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gpu_node.contracts.pulse import NodePulse
from gpu_node.contracts.watch import (
    RETRY_SECONDS,
    SHELVABLE,
    SILENT_SECONDS,
    Instant,
    Mark,
    WatchMemory,
    goes_on,
    mark,
)

GONE_SECONDS = 30 * 60.0
"""Without a main server for so long, a node without a job puts its server to sleep."""

GRACE_SECONDS = 3600.0
"""Beyond the maximum uptime; then the server sleeps whatever is done on it."""


class Work(StrEnum):
    """What is done on this node."""

    JOB = "job"
    NONE = "none"
    UNKNOWN = "unknown"
    """A worker is there and does not say."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look has found. `worker`: some process holds the work folder."""

    site: bool
    redis: bool
    worker: bool
    pulse: NodePulse | None

    @property
    def main_server(self) -> bool:
        """Either is enough: the switch on the main server looks after us, or can be asked to."""
        return self.site or self.redis


class Memory(WatchMemory):
    """Of earlier looks."""

    gone_since: float | None = None
    """Since then each look found no main server."""
    pulse: Mark | None = None
    asked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the server has to sleep, and why, or why not."""

    sleep: bool
    why: str


def observe(before: Memory | None, sight: Sight, now: Instant) -> Memory:
    """The memory after one more look."""
    if before is not None and before.boot != now.boot:
        before = None
    since = before.gone_since if before is not None and goes_on(before, now) else None
    return Memory(
        boot=now.boot,
        looked=now.seconds,
        gone_since=None if sight.main_server else (now.seconds if since is None else since),
        pulse=mark(
            before.pulse if before is not None else None,
            sight.pulse.mark if sight.pulse is not None else None,
            now,
        ),
        asked_at=before.asked_at if before is not None else None,
    )


def work(sight: Sight, memory: Memory, now: Instant) -> Work:
    """What is done here. A file that a dead worker has left says nothing.

    A result that only waits to be handed in is no job: it is safe on the disk, there is nobody to
    hand it to, and it is sent when the node is woken again.
    """
    if not sight.worker:
        return Work.NONE
    if sight.pulse is None or memory.pulse is None:
        return Work.UNKNOWN
    if now.seconds - memory.pulse.since > SILENT_SECONDS:
        return Work.UNKNOWN
    return Work.NONE if sight.pulse.shows_no_job else Work.JOB


def verdict(sight: Sight, memory: Memory, now: Instant, max_uptime_seconds: float) -> Verdict:
    """On this node, after the look has been noted in `memory`."""
    if memory.gone_since is None:
        return Verdict(False, "the main server is there")
    gone = now.seconds - memory.gone_since
    if gone < GONE_SECONDS:
        return Verdict(False, f"no main server for {gone / 60:.0f} min")
    away = f"no main server for {gone / 60:.0f} min"
    doing = work(sight, memory, now)
    if doing is Work.NONE:
        return Verdict(True, f"{away}, and no job")
    # The machine's clock begins with its boot, so it says how long this waking has lasted. A job,
    # too, may never end without a main server: inputs do not come, nobody takes its failure.
    if now.seconds > max_uptime_seconds + GRACE_SECONDS:
        return Verdict(True, f"{away}, and awake for {now.seconds / 3600:.1f} h")
    if doing is Work.JOB:
        return Verdict(False, f"{away}, but a job runs")
    return Verdict(False, f"{away}, and the worker does not say what it is at")


@dataclass(frozen=True, slots=True)
class OwnServer:
    """This node's server, as the cloud describes it. `locked` is None where it does not say."""

    status: str
    task_state: str | None
    locked: bool | None
    held: bool


def obstacle(server: OwnServer, memory: Memory, now: Instant) -> str:
    """Why a server that has to sleep is not asked to just now; empty when it is."""
    if server.held or server.locked is not False:
        return "a person keeps it awake" if server.held or server.locked else "its lock is unknown"
    if server.task_state is not None:
        return f"the cloud is at it: {server.task_state}"
    if server.status not in SHELVABLE:
        return f"it cannot be shelved: {server.status}"
    if memory.asked_at is not None and now.seconds - memory.asked_at < RETRY_SECONDS:
        return "it was asked a short while ago"
    return ""

"""The states that are stored, and which may follow which. Pure."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. "Waiting for a GPU" is derived from this and the fleet, never stored."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

ACTIVE_JOB_STATES = frozenset({JobState.QUEUED, JobState.RUNNING})


class AttemptOutcome(StrEnum):
    """How an attempt at a job stands. RUNNING is the only one that holds a lease."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"
    """Given back because the node stopped in good order."""
    EXPIRED = "expired"
    """The node fell silent for longer than the lease."""
    LOST = "lost"
    """The same node came back without it: its process had died."""
    CANCELLED = "cancelled"


LOSSES = frozenset({AttemptOutcome.EXPIRED, AttemptOutcome.LOST})


class Wanted(StrEnum):
    """What is wanted of a node."""

    AWAKE = "awake"
    ASLEEP = "asleep"
    HELD = "held"
    """A person has it: neither woken nor shelved until released."""


class Gate(StrEnum):
    """Whether a node may take jobs. Closing it is the first step of every shelving."""

    OPEN = "open"
    DRAINING = "draining"
    """No new job; back to OPEN if work comes up meanwhile."""
    STOPPING = "stopping"
    """The worker was told to stop: the point of no return. OPEN again once the node is asleep."""


class CloudStatus(StrEnum):
    """A server's status as Nova names it."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    REBUILD = "REBUILD"
    REBOOT = "REBOOT"
    HARD_REBOOT = "HARD_REBOOT"
    PASSWORD = "PASSWORD"  # noqa: S105  # what Nova calls a server whose password is being set
    MIGRATING = "MIGRATING"
    RESIZE = "RESIZE"
    VERIFY_RESIZE = "VERIFY_RESIZE"
    REVERT_RESIZE = "REVERT_RESIZE"
    RESCUE = "RESCUE"
    SHUTOFF = "SHUTOFF"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    SHELVED = "SHELVED"
    SHELVED_OFFLOADED = "SHELVED_OFFLOADED"
    ERROR = "ERROR"
    SOFT_DELETED = "SOFT_DELETED"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"


FREE_STATUSES = frozenset(
    {
        CloudStatus.SHELVED_OFFLOADED,
        CloudStatus.SOFT_DELETED,
        CloudStatus.DELETED,
        CloudStatus.UNKNOWN,
    }
)
"""Such servers hold no GPU. All others are paid for, unless the settings say otherwise."""


class OperationKind(StrEnum):
    UNSHELVE = "unshelve"
    SHELVE = "shelve"


class OperationOutcome(StrEnum):
    """How a call to the cloud stands."""

    INTENDED = "intended"
    """Written down before the call: after a crash here nobody knows whether it was made."""
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


UNRESOLVED = frozenset({OperationOutcome.INTENDED, OperationOutcome.SENT})


class Cause(StrEnum):
    """Why a second is billed."""

    JOB = "job"
    BOOT = "boot"
    IDLE = "idle"
    DRAIN = "drain"
    SHELVING = "shelving"
    HOLD = "hold"
    FAILURE = "failure"
    EXTERNAL = "external"

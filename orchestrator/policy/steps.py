"""The single steps that a plan is made of, and the words for why they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.states import Gate, OperationKind


class Why(StrEnum):
    """Why a step is taken; kept with what it changes."""

    DEMAND = "demand"
    IDLE = "idle"
    PARKED = "parked"
    BOOT_TIMEOUT = "boot_timeout"
    WORKER_SILENT = "worker_silent"
    WORKER_BROKEN = "worker_broken"
    NOT_RUNNING = "not_running"
    MAX_UPTIME = "max_uptime"
    QUARANTINE = "quarantine"
    WORKER_DEAF = "worker_deaf"
    BUDGET = "budget"
    KEPT_WARM = "kept_warm"
    STOPPED = "stopped"
    NO_CAPACITY = "no_capacity"
    BOOT_FAILED = "boot_failed"
    IMAGE_LOST = "image_lost"
    NOT_OFFLOADED = "not_offloaded"
    OPERATION_FAILED = "operation_failed"
    OPERATION_TIMEOUT = "operation_timeout"
    NEVER_SENT = "never_sent"
    CALLED_OFF = "called_off"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ExpireLease:
    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Call:
    """Ask the cloud to unshelve or shelve: intent first, then the request."""

    node: str
    kind: OperationKind
    why: Why


@dataclass(frozen=True, slots=True)
class Finish:
    """An intent was written down, but whether the request was made is not known: find out."""

    node: str
    operation: int


@dataclass(frozen=True, slots=True)
class Resolve:
    """The end of a call to the cloud has been seen."""

    node: str
    operation: int
    ok: bool
    why: Why


@dataclass(frozen=True, slots=True)
class Move:
    """Open or close the node's gate."""

    node: str
    old: Gate
    new: Gate
    why: Why


@dataclass(frozen=True, slots=True)
class NoteWake:
    """There is work for a node that is past the point of no return."""

    node: str


@dataclass(frozen=True, slots=True)
class SettleAsleep:
    """The node sleeps: what its worker said is of the past."""

    node: str


@dataclass(frozen=True, slots=True)
class SettleLedger:
    """Compare what was written down of its last waking with the cloud's own notes."""

    node: str


@dataclass(frozen=True, slots=True)
class Preempt:
    """Take back the job of a node that was to give it back and did not."""

    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Restart:
    """Start a worker anew that is there and does not hear."""

    node: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell an idle worker that there is work."""

    node: str


Step = (
    ExpireLease
    | Call
    | Finish
    | Resolve
    | Move
    | NoteWake
    | SettleAsleep
    | SettleLedger
    | Preempt
    | Restart
    | Ring
)

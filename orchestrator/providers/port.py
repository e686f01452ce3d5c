"""What the orchestrator asks of a cloud: in the shape of OpenStack, which the others keep to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.states import CloudStatus, OperationKind


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server as the cloud describes it. `task_state`: what is being done to it, if anything."""

    server_id: str
    """What every other call names it by: the cloud's own id, which no other server ever has."""
    name: str
    status: CloudStatus
    task_state: str | None
    locked: bool
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    fault: str = ""
    """What went wrong with it, in the cloud's words; most failures leave none."""
    created_at: datetime | None = None
    launched_at: datetime | None = None
    """When it last became ACTIVE."""
    address: str = ""
    """Where it is reached over SSH; empty where nobody has to."""


class ActionResult(StrEnum):
    """How an action that the cloud has taken note of ended."""

    OK = "ok"
    FAILED = "failed"


class ActionFailure(StrEnum):
    """Which part of an action failed."""

    CAPACITY = "capacity"
    """No host had room for the server."""
    BOOT = "boot"
    """A host was found, and could not start the server."""
    IMAGE = "image"
    """The disk that was saved when the server was shelved could not be read."""
    SHELVE = "shelve"
    """The server could not be put to sleep, or not wholly: it may be billed on."""
    UNKNOWN = "unknown"
    """The cloud does not say."""


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """A request that the cloud accepted.

    `result` is None while it is being carried out, and in the list of a cloud that says no more of
    an action than that it began: `Provider.action` knows.
    """

    request_id: str
    kind: OperationKind
    started_at: datetime
    result: ActionResult | None
    message: str
    failure: ActionFailure | None = None
    """Set when `result` is FAILED and the cloud was asked for this action."""
    finished_at: datetime | None = None
    """By the cloud's own clock, as `started_at` is."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that is wrong with the configuration, as found at start."""

    sentence: str
    server: str = ""
    """The server's name; empty: the whole fleet."""
    blocking: bool = True
    """Whether it has to be put right first. Else it is only worth knowing."""


class CloudErrorKind(StrEnum):
    """What a refusal means for whoever asked."""

    TRANSIENT = "transient"
    """The cloud did not answer, or not sensibly: ask again."""
    CONFLICT = "conflict"
    """Not in the server's present state."""
    CAPACITY = "capacity"
    QUOTA = "quota"
    AUTH = "auth"
    """Refused for who we are, or for an empty balance."""
    GONE = "gone"
    LOCKED = "locked"
    FATAL = "fatal"
    """Asking again changes nothing."""


class CloudError(Exception):
    """The cloud refused. `sentence` is for people, `detail` for operators."""

    def __init__(self, kind: CloudErrorKind, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.detail = detail


class Provider(Protocol):
    """A cloud. Every method may raise CloudError.

    `unshelve` and `shelve` return as soon as the cloud has taken the request, long before it is
    carried out, and the request may still fail without a word: see `actions`.
    """

    def list(self) -> Sequence[ServerFacts]:
        """Every server of the fleet, in one call."""

    def get(self, server_id: str) -> ServerFacts:
        """One server."""

    def unshelve(self, server_id: str) -> str:
        """Ask for the server to be woken. Returns the request's id."""

    def shelve(self, server_id: str) -> str:
        """Ask for the server to be put to sleep. Returns the request's id."""

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        """What was asked of the server lately, newest first."""

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        """How one request stands, and why it failed. GONE: the cloud does not know of it."""

    def check(self) -> Sequence[Complaint]:
        """What is wrong with the configuration, asked at start. Raises no CloudError."""

"""What the orchestrator asks of a cloud: in the shape of OpenStack, which the others keep to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.states import CloudStatus, OperationKind


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server as the cloud describes it. `task_state`: what is being done to it, if anything."""

    server_id: str
    name: str
    status: CloudStatus
    task_state: str | None
    locked: bool


class ActionResult(StrEnum):
    """How an action that the cloud has taken note of ended."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """A request that the cloud accepted. `result` is None while it is being carried out."""

    request_id: str
    kind: OperationKind
    started_at: datetime
    result: ActionResult | None
    message: str


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

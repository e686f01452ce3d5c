"""What the cloud knows of a server: its state, what was asked of it, and what is billed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.providers.port import ActionFacts, ActionFailure, ActionResult
from orchestrator.states import CloudStatus, OperationKind


class Fault(StrEnum):
    """What can be arranged to go wrong with a server the next time that it could."""

    NO_CAPACITY = "no_capacity"
    SPAWN_FAILS = "spawn_fails"
    IMAGE_LOST = "image_lost"
    UNSHELVE_STUCK = "unshelve_stuck"
    SHELVE_FAILS = "shelve_fails"
    OFFLOAD_FAILS = "offload_fails"
    SLOW_UPLOAD = "slow_upload"
    NO_WORKER = "no_worker"
    BROKEN_WORKER = "broken_worker"


@dataclass(slots=True)
class Action:
    request_id: str
    kind: OperationKind
    started_at: datetime
    finished_at: datetime | None = None
    result: ActionResult | None = None
    failure: ActionFailure | None = None
    foreign: bool = False
    """Asked for by somebody else than the orchestrator."""

    def facts(self, clock: timedelta, *, whole: bool) -> ActionFacts:
        """`clock`: how far the cloud's is ahead."""
        failed = self.result is ActionResult.FAILED
        return ActionFacts(
            request_id=self.request_id,
            kind=self.kind,
            started_at=self.started_at + clock,
            result=self.result,
            message="Error" if failed else "",
            failure=self.failure if whole and failed else None,
            finished_at=None if self.finished_at is None else self.finished_at + clock,
        )


@dataclass(slots=True)
class Billed:
    """A stretch that the owner is charged for."""

    start: datetime
    end: datetime | None = None
    foreign: bool = False
    """Somebody else than the orchestrator began or ended it."""


@dataclass(slots=True)
class Server:
    name: str
    address: str = ""
    status: CloudStatus = CloudStatus.SHELVED_OFFLOADED
    task: str | None = None
    locked: bool = False
    powered: bool = False
    faults: list[Fault] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    billed: list[Billed] = field(default_factory=list)
    epoch: int = 0
    """Grows with everything done to it: what was under way before is void then."""
    list_read_after: bool = True
    """Whether its actions were read since the last request was made."""

    def takes(self, fault: Fault) -> bool:
        if fault not in self.faults:
            return False
        self.faults.remove(fault)
        return True

"""Rows and requests, as the tests of the orchestrator need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import Payload
from gpu_node.contracts.node_api import (
    ClaimedJob,
    Completion,
    JobBeat,
    NodeBeat,
    WorkerState,
)
from orchestrator import blobs, jobs, worker_beats
from orchestrator.enrol import enrol
from orchestrator.models import Job, Node
from orchestrator.states import CloudStatus, Wanted

KIND = "toy"
BOOT = "boot-0001"


class ToyPayload(Payload):
    """A kind of job that nobody but these tests knows: the orchestrator never looks inside."""

    kind: Literal["toy"] = "toy"
    version: Literal[1] = 1
    text: str = ""


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it."""


class ManualClock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        self.die_after: int | None = None
        """How often it may still be looked at before whoever looks is killed."""

    def now(self) -> datetime:
        if self.die_after is not None:
            self.die_after -= 1
            if self.die_after < 0:
                raise Killed
        return self.time

    def advance(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


def token_of(name: str) -> str:
    return f"token-of-{name}-that-is-long-enough-to-be-taken"


def enrolled(name: str, clock: ManualClock, **facts: Any) -> Node:
    """A node that is awake and open."""
    node = enrol(name, f"server-{name}", token_of(name), clock.now())
    awake = {"cloud_status": CloudStatus.ACTIVE, "awake_since": clock.now()}
    wanted = Wanted.AWAKE if facts.get("awake_since", awake) is not None else Wanted.ASLEEP
    ours = {"wanted": wanted, "woken_here": wanted is Wanted.AWAKE}
    Node.objects.filter(pk=node.pk).update(**{**awake, **ours, **facts})
    node.refresh_from_db()
    return node


def stored(content: bytes, clock: ManualClock) -> Blob:
    return blobs.store_stream([content], clock.now(), suffix=".bin")


def order(clock: ManualClock, **changes: Any) -> jobs.JobOrder:
    facts: dict[str, Any] = {
        "payload": ToyPayload(text="hello"),
        "inputs": {"lesson": stored(b"a lesson", clock)},
    }
    return jobs.JobOrder(**{**facts, **changes})


def submitted(clock: ManualClock, **changes: Any) -> Job:
    return jobs.submit(order(clock, **changes), clock.now()).job


def claimed(node: Node, clock: ManualClock, boot: str = BOOT) -> ClaimedJob:
    job = jobs.claim(node, boot, [KIND], clock.now())
    assert job is not None
    return job


def completion(job: ClaimedJob, clock: ManualClock, text: str = "done") -> Completion:
    return Completion(
        token=job.token, result={"text": text}, outputs={"video": stored(text.encode(), clock)}
    )


def job_beat(job: ClaimedJob, steps: int = 0) -> JobBeat:
    return JobBeat(token=job.token, steps=steps)


def beat(
    node: Node, clock: ManualClock, state: WorkerState = WorkerState.READY, boot: str = BOOT
) -> Any:
    said = NodeBeat(boot_id=boot, state=state, program_version="0", kinds=(KIND,))
    return worker_beats.beat(node, said, clock.now())


def uuid_of(job: ClaimedJob) -> UUID:
    return UUID(job.job)

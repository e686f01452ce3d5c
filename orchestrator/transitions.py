"""A job's change of state: one conditional UPDATE, an event, and whoever wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orchestrator.models import Job, JobEvent
from orchestrator.states import ACTIVE_JOB_STATES, JOB_TRANSITIONS, JobState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobTransition:
    job: Job
    old: JobState
    new: JobState
    now: datetime


Handler = Callable[[JobTransition], None]
_handlers: list[Handler] = []


def on_transition(handler: Handler) -> None:
    """Have `handler` called at each change of a job's state, inside the same transaction."""
    if handler not in _handlers:
        _handlers.append(handler)


def move(job_id: UUID, old: JobState, new: JobState, now: datetime, **changes: object) -> bool:
    """Change a job's state if it is still `old`; write the event and call the handlers."""
    if new not in JOB_TRANSITIONS[old]:
        raise ValueError(f"a job does not go from {old} to {new}")
    if new is JobState.RUNNING:
        changes["started_at"] = now
    elif new not in ACTIVE_JOB_STATES:
        changes["finished_at"] = now
    if Job.objects.filter(pk=job_id, state=old).update(state=new, **changes) != 1:
        return False
    job = Job.objects.get(pk=job_id)
    JobEvent.objects.create(
        job=job, at=now, old=old, new=new, reason=job.reason, sentence=job.sentence
    )
    log.info("job %s: %s -> %s %s", job_id, old, new, job.reason)
    for handler in _handlers:
        handler(JobTransition(job, old, new, now))
    return True

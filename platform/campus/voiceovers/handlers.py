"""What a job's change of state means for its voiceover. Runs inside the job's transaction."""

from __future__ import annotations

import logging
from typing import Any

from django.urls import reverse
from pydantic import ValidationError

from campus.accounts.roles import Role
from campus.languages import name
from campus.notifications.services import Note, tell_roles
from campus.voiceovers import services
from campus.voiceovers.models import Utterance, Voiceover
from campus.voiceovers.states import UNDER_WAY, VoiceoverState
from gpu_node.contracts.dub import DubReport, UtteranceReport
from gpu_node.contracts.errors import Reason
from orchestrator.states import JobState
from orchestrator.transitions import JobTransition

log = logging.getLogger(__name__)

_FOLLOWS = {
    JobState.QUEUED: VoiceoverState.QUEUED,
    JobState.RUNNING: VoiceoverState.PROCESSING,
    JobState.SUCCEEDED: VoiceoverState.IN_REVIEW,
    JobState.FAILED: VoiceoverState.FAILED,
    JobState.CANCELLED: VoiceoverState.CANCELLED,
}
_UNREADABLE = (
    "The GPU node gave a result that this server cannot read: they are of different versions. "
    "Upgrade the node, then retry."
)
_INTERESTED = [Role.ADMIN, Role.REVIEWER]


def follow(transition: JobTransition) -> None:
    """Let the voiceover follow its job. A job without a voiceover, or an old one's, is ignored."""
    voiceover = Voiceover.objects.filter(job_id=transition.job.pk).first()
    if voiceover is None or voiceover.current_state not in UNDER_WAY:
        return
    if transition.new is JobState.SUCCEEDED:
        _succeed(voiceover, transition)
        return
    new = _FOLLOWS[transition.new]
    job = transition.job
    _go(voiceover, new, transition, reason=job.reason, sentence=job.sentence)
    if new is VoiceoverState.FAILED:
        _tell_failure(voiceover, transition)


def _succeed(voiceover: Voiceover, transition: JobTransition) -> None:
    try:
        report = DubReport.model_validate(transition.job.result)
    except ValidationError as error:
        log.error("the result of job %s is not a dub's: %s", transition.job.pk, error.error_count())
        failed = {"reason": Reason.INTERNAL.value, "sentence": _UNREADABLE}
        _go(voiceover, VoiceoverState.FAILED, transition, **failed)
        _tell_failure(voiceover, transition)
        return
    if not _go(voiceover, VoiceoverState.IN_REVIEW, transition, summary=_summary(report)):
        return
    voiceover.utterances.all().delete()
    Utterance.objects.bulk_create(_utterance(voiceover, line) for line in report.utterances)
    blockers = sum(line.blocker is not None for line in report.utterances)
    tell_roles(
        _INTERESTED,
        Note(
            key=f"voiceover-ready:{transition.job.pk}",
            title=f"Ready for review: {_called(voiceover)}",
            text=f"{blockers} line(s) could not be spoken and need a decision." if blockers else "",
            path=reverse("review:page", args=[voiceover.pk]),
        ),
        transition.now,
    )


def _go(
    voiceover: Voiceover, new: VoiceoverState, transition: JobTransition, **changes: Any
) -> bool:
    old = voiceover.current_state
    if old is new:
        return False
    return services.move(voiceover, old, new, transition.now, **changes)


def _tell_failure(voiceover: Voiceover, transition: JobTransition) -> None:
    note = Note(
        key=f"voiceover-failed:{transition.job.pk}",
        title=f"Failed: {_called(voiceover)}",
        text=voiceover.sentence,
        path=reverse("voiceovers:page", args=[voiceover.pk]),
    )
    tell_roles(_INTERESTED, note, transition.now)


def _called(voiceover: Voiceover) -> str:
    return f"{voiceover.lesson_title} in {name(voiceover.target_language)}"


def _utterance(voiceover: Voiceover, line: UtteranceReport) -> Utterance:
    return Utterance(
        voiceover=voiceover,
        key=line.id,
        start=line.start,
        end=line.end,
        source=_storable(line.source),
        target=_storable(line.target or ""),
        placed_at=line.placed_at,
        rate=line.rate,
        lateness=line.lateness,
        blocker=line.blocker or "",
        sentence=_storable(line.sentence or ""),
    )


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL in text."""
    return text.replace("\0", "")


def _summary(report: DubReport) -> dict[str, Any]:
    """What people ask about a dub as a whole."""
    return {
        "seconds": report.seconds,
        "real_time_factor": report.real_time_factor,
        "engines": report.engines.model_dump(),
        "loudness": report.score.loudness.integrated,
        "lines": len(report.utterances),
        "blockers": report.blockers,
        "highest_rate": report.score.highest_rate,
        "onset_p95": report.score.onset_error.p95,
        "picture_unchanged": report.score.picture_unchanged,
    }

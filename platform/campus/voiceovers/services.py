"""Asking for voiceovers, cancelling them, and trying again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from campus.accounts.models import User
from campus.courses.models import Lesson
from campus.courses.states import SETTLED
from campus.languages import name
from campus.refusals import Refused
from campus.voiceovers import offers
from campus.voiceovers.models import Voiceover, VoiceoverEvent
from campus.voiceovers.states import RETRIABLE, TRANSITIONS, UNDER_WAY, VoiceoverState
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.dub import DubInput
from gpu_node.contracts.jobs import DubPayload
from orchestrator import jobs
from orchestrator.models import Job

PUBLISHING_FAILED = "publishing_failed"
"""The reason of a voiceover that was approved and could not be published."""

CANCELLED_BY_HAND = "Cancelled by {by}."
LESSON_DELETED = "The lesson was deleted."


@dataclass(frozen=True, slots=True)
class Generated:
    """`created` is False when the voiceover was already under way or done: that is the one."""

    voiceover: Voiceover
    created: bool


def move(
    voiceover: Voiceover,
    old: VoiceoverState,
    new: VoiceoverState,
    now: datetime,
    *,
    by: User | None = None,
    sentence: str = "",
    where: dict[str, Any] | None = None,
    **changes: Any,
) -> bool:
    """Change the state if it is still `old` (and `where` holds); False when it is not."""
    if new not in TRANSITIONS[old]:
        raise ValueError(f"a voiceover does not go from {old} to {new}")
    changes = {"reason": "", "sentence": sentence, **changes, "state": new, "changed_at": now}
    rows = Voiceover.objects.filter(pk=voiceover.pk, state=old, **(where or {}))
    if rows.update(**changes) != 1:
        return False
    VoiceoverEvent.objects.create(
        voiceover_id=voiceover.pk, at=now, old=old, new=new, by=by, sentence=sentence
    )
    voiceover.refresh_from_db()
    return True


def generate(lesson: Lesson, language: str, user: User, now: datetime) -> Generated:
    """Ask for a lesson's dub in a language: one job, however often and by whomever it is pressed.

    Raises Refused.
    """
    with transaction.atomic():
        locked = _lock(lesson.pk)
        if locked is None:
            raise Refused(LESSON_DELETED)
        existing = Voiceover.objects.filter(lesson=locked, target_language=language).first()
        if existing is None:
            return Generated(_create(locked, language, user, now), created=True)
        if _starts_anew(existing):
            _requeue(existing, locked, user, now)
            return Generated(existing, created=True)
        return Generated(existing, created=False)


def retry(voiceover: Voiceover, user: User, now: datetime) -> None:
    """Send it to the queue again, with a new job. Raises Refused."""
    with transaction.atomic():
        lesson = _lock(voiceover.lesson_id)
        if lesson is None:
            raise Refused("The lesson was deleted, so there is nothing to dub any more.")
        voiceover.refresh_from_db()
        if not _starts_anew(voiceover):
            raise Refused(f"Not needed: this voiceover is “{voiceover.get_state_display()}”.")
        _requeue(voiceover, lesson, user, now)


def cancel(voiceover: Voiceover, user: User, now: datetime) -> None:
    """Stop the work on it; the node hears so within a heartbeat. Raises Refused."""
    sentence = CANCELLED_BY_HAND.format(by=user)
    with transaction.atomic():
        # The job first: its rows are locked before ours wherever a job changes.
        if not jobs.cancel(voiceover.job_id, now, sentence):
            voiceover.refresh_from_db()
            raise Refused(
                f"There is nothing to cancel: this voiceover is “{voiceover.get_state_display()}”."
            )
        ended = {"voiceover": voiceover, "new": VoiceoverState.CANCELLED, "at": now}
        VoiceoverEvent.objects.filter(**ended).update(by=user)
    voiceover.refresh_from_db()


def lesson_goes(lesson: Lesson, now: datetime) -> None:
    """A lesson is about to be deleted: its jobs are cancelled, its voiceovers end as cancelled."""
    _lock(lesson.pk)
    for voiceover in Voiceover.objects.filter(lesson=lesson):
        if voiceover.current_state in UNDER_WAY:
            jobs.cancel(voiceover.job_id, now, LESSON_DELETED)
            voiceover.refresh_from_db()
        ends = VoiceoverState.CANCELLED
        # Publishing moves it too, and knows nothing of us: whoever was faster, this is its end.
        while (old := voiceover.current_state) is not ends:
            if not move(voiceover, old, ends, now, sentence=LESSON_DELETED):
                voiceover.refresh_from_db()
        Voiceover.objects.filter(pk=voiceover.pk).update(sentence=LESSON_DELETED)


def offered() -> offers.Offers:
    """What this site offers."""
    return offers.parse(settings.VOICEOVER_LANGUAGES, settings.VOICEOVER_RECOGNISES)


def languages_of(lesson: Lesson) -> offers.LessonLanguages:
    """What a lesson brings."""
    given = frozenset(lesson.subtitles.values_list("language", flat=True))
    return offers.LessonLanguages(lesson.course.source_language, given)


def refusal(lesson: Lesson, language: str) -> str | None:
    """Why this dub cannot be asked for, in a sentence; None when it can."""
    if lesson.course.current_state not in SETTLED:
        return "The course has to be accepted before its lessons are dubbed."
    return offers.refusal(languages_of(lesson), language, offered())


def _lock(lesson_id: UUID | None) -> Lesson | None:
    """The lesson, if it is still there, kept as it is until this transaction ends."""
    if lesson_id is None:
        return None
    return Lesson.objects.select_for_update().filter(pk=lesson_id).first()


def _starts_anew(voiceover: Voiceover) -> bool:
    state = voiceover.current_state
    return state in RETRIABLE and voiceover.reason != PUBLISHING_FAILED


def _create(lesson: Lesson, language: str, user: User, now: datetime) -> Voiceover:
    voiceover = Voiceover.objects.create(
        lesson=lesson,
        lesson_title=lesson.title,
        course_title=lesson.course.title,
        source_language=lesson.course.source_language,
        target_language=language,
        job=_submit(lesson, language, now),
        requested_by=user,
        created_at=now,
        changed_at=now,
    )
    VoiceoverEvent.objects.create(voiceover=voiceover, at=now, new=VoiceoverState.QUEUED, by=user)
    return voiceover


def _requeue(voiceover: Voiceover, lesson: Lesson, user: User, now: datetime) -> None:
    job = _submit(lesson, voiceover.target_language, now)
    moved = move(
        voiceover,
        voiceover.current_state,
        VoiceoverState.QUEUED,
        now,
        by=user,
        job=job,
        requested_by=user,
        approved_by=None,
        approved_at=None,
        withheld=False,
    )
    if not moved:
        raise Refused("Somebody else was faster: reload the page.")


def _submit(lesson: Lesson, language: str, now: datetime) -> Job:
    if (sentence := refusal(lesson, language)) is not None:
        raise Refused(sentence)
    order = jobs.JobOrder(
        payload=DubPayload(source_language=lesson.course.source_language, target_language=language),
        inputs=_inputs(lesson, language),
        dedupe=f"voiceover:{lesson.pk}:{language}",
        tenant=str(lesson.course.owner_id),
        labels={
            "course": lesson.course.title,
            "lesson": lesson.title,
            "language": name(language),
        },
        media_seconds=lesson.duration,
    )
    return jobs.submit(order, now).job


def _inputs(lesson: Lesson, language: str) -> dict[str, Blob]:
    given = {row.language: row for row in lesson.subtitles.select_related("file")}
    inputs: dict[str, Blob] = {DubInput.LESSON: lesson.video_blob()}
    if (own := offers.best_match(given, lesson.course.source_language)) is not None:
        inputs[DubInput.SUBTITLES] = given[own].blob()
    if (theirs := offers.best_match(given, language)) is not None:
        inputs[DubInput.TARGET_SUBTITLES] = given[theirs].blob()
    return inputs

"""Voiceovers as pages show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campus.accounts.models import User
from campus.accounts.roles import CANCEL, GENERATE, PUBLISH, SEE_REVIEWS
from campus.courses.models import Course, Lesson, LessonSubtitles
from campus.publishing.models import Publication
from campus.voiceovers import progress
from campus.voiceovers.models import Voiceover
from campus.voiceovers.services import PUBLISHING_FAILED
from campus.voiceovers.states import RETRIABLE, UNDER_WAY, VoiceoverState
from orchestrator.forecast import Forecast

_MOVING = UNDER_WAY | {VoiceoverState.APPROVED, VoiceoverState.PUBLISHING}


@dataclass(frozen=True, slots=True)
class Dub:
    """Where one voiceover stands, in words and numbers. `may`: what this person can do about it."""

    voiceover: Voiceover
    sentence: str
    stages: list[progress.Stage]
    fraction: float | None
    may: frozenset[str]
    job_id: UUID

    @property
    def under_way(self) -> bool:
        """Whether it is worth asking again soon."""
        state = self.voiceover.current_state
        return state in _MOVING and not (
            state is VoiceoverState.APPROVED and self.voiceover.withheld
        )


@dataclass(frozen=True, slots=True)
class LessonCard:
    """A lesson, its subtitles and its dubs."""

    lesson: Lesson
    subtitles: list[LessonSubtitles]
    dubs: list[Dub]


def present(
    voiceover: Voiceover,
    now: datetime,
    viewer: User | None = None,
    known: Forecast | None = None,
) -> Dub:
    """One voiceover for one viewer. `known`: a forecast to share when there are many."""
    state = voiceover.current_state
    sentence, fraction = voiceover.sentence, None
    steps: list[progress.Stage] = []
    if state is VoiceoverState.QUEUED:
        sentence = (known or Forecast(now)).waiting(voiceover.job).sentence
    elif state is VoiceoverState.PROCESSING:
        steps = progress.stages(voiceover.job.stages)
        fraction = progress.overall(steps)
        sentence = "" if steps else "A GPU node has taken it and is fetching the lesson."
    elif state is VoiceoverState.PUBLISHING:
        fraction, sentence = _publishing(voiceover)
    elif state is VoiceoverState.APPROVED:
        sentence = (
            "Taken off the video host; not published until somebody says so."
            if voiceover.withheld
            else "About to be published."
        )
    may = _may(voiceover, viewer) if viewer else frozenset[str]()
    return Dub(voiceover, sentence, steps, fraction, may, voiceover.job_id)


def lesson_cards(course: Course, now: datetime) -> list[LessonCard]:
    """A course's lessons in order, with everything the partner wants to know."""
    lessons = list(course.lessons.prefetch_related("subtitles"))
    dubs: defaultdict[UUID | None, list[Dub]] = defaultdict(list)
    known = Forecast(now)
    for voiceover in _voiceovers_of(lessons):
        dubs[voiceover.lesson_id].append(present(voiceover, now, known=known))
    return [LessonCard(lesson, list(lesson.subtitles.all()), dubs[lesson.pk]) for lesson in lessons]


def _voiceovers_of(lessons: Iterable[Lesson]) -> Iterable[Voiceover]:
    rows = Voiceover.objects.filter(lesson__in=list(lessons)).select_related("job")
    return rows.order_by("target_language")


def _publishing(voiceover: Voiceover) -> tuple[float | None, str]:
    publication = Publication.objects.filter(voiceover=voiceover, job=voiceover.job_id).first()
    if publication is None:
        return None, ""
    again = f"{publication.sentence} Trying again soon." if publication.sentence else ""
    return publication.progress, again or "The video host is working on it."


def _may(voiceover: Voiceover, viewer: User) -> frozenset[str]:
    state = voiceover.current_state
    unpublished = voiceover.reason == PUBLISHING_FAILED
    alive = voiceover.lesson_id is not None
    withheld = state is VoiceoverState.APPROVED and voiceover.withheld
    wishes = {
        "cancel": (CANCEL, state in UNDER_WAY),
        "retry": (GENERATE, alive and state in RETRIABLE and not unpublished),
        "publish": (PUBLISH, alive and (unpublished or withheld)),
        "unpublish": (PUBLISH, state is VoiceoverState.PUBLISHED),
        "review": (SEE_REVIEWS, voiceover.utterances.exists() and state not in UNDER_WAY),
    }
    return frozenset(
        what for what, (needed, possible) in wishes.items() if possible and viewer.has_perm(needed)
    )

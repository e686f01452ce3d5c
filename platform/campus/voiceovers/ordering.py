"""What somebody is told before they ask for a voiceover: languages, wait, GPU time, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from campus.courses.models import Lesson
from campus.languages import name, same
from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import RETRIABLE
from orchestrator import forecast
from orchestrator.models import Job
from orchestrator.settings import fleet_settings
from orchestrator.states import JobState

PRIOR_PACE = 1.5
"""GPU seconds per second of lesson, until enough dubs have been made to know better."""

_ENOUGH = 5
_LATEST = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A language, and why it cannot be asked for (again) now: empty when it can."""

    tag: str
    label: str
    why_not: str
    voiceover: Voiceover | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """For one language. `cost` is in the currency of FLEET_PRICE_PER_HOUR."""

    wait: str
    gpu_seconds: float
    cost: float


def choices(lesson: Lesson) -> list[Choice]:
    """Every language somebody might think of for this lesson."""
    there = {row.target_language: row for row in Voiceover.objects.filter(lesson=lesson)}
    brings, offered = services.languages_of(lesson), services.offered()
    tags = {target for _, target in offered.pairs} | brings.subtitles | there.keys()
    tags = {tag for tag in tags if not same(tag, brings.source)}
    return [_choice(lesson, tag, there.get(tag)) for tag in sorted(tags, key=name)]


def estimate(lesson: Lesson, now: datetime) -> Estimate:
    """What one dub of this lesson would take."""
    seconds = pace(_measured()) * lesson.duration
    price = float(fleet_settings().fleet_price_per_hour)
    return Estimate(
        wait=forecast.before_submitting(now).sentence,
        gpu_seconds=seconds,
        cost=seconds / 3600 * price,
    )


def pace(measured: Sequence[float]) -> float:
    """GPU seconds per second of lesson: what was measured, once there is enough of it."""
    return median(measured) if len(measured) >= _ENOUGH else PRIOR_PACE


def _choice(lesson: Lesson, tag: str, there: Voiceover | None) -> Choice:
    return Choice(tag, name(tag), _why_not(lesson, tag, there), there)


def _why_not(lesson: Lesson, tag: str, there: Voiceover | None) -> str:
    again = there is None or (
        there.current_state in RETRIABLE and there.reason != services.PUBLISHING_FAILED
    )
    if not again and there is not None:
        return f"This voiceover is “{there.get_state_display()}” already."
    return services.refusal(lesson, tag) or ""


def _measured() -> list[float]:
    """How long finished dubs took, by the second of their lesson."""
    done = Job.objects.filter(
        kind="dub", state=JobState.SUCCEEDED, media_seconds__gt=0, started_at__isnull=False
    ).order_by("-finished_at")[:_LATEST]
    return [
        (job.finished_at - job.started_at).total_seconds() / job.media_seconds
        for job in done
        if job.finished_at and job.started_at and job.media_seconds
    ]

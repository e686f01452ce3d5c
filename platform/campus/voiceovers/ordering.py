"""What somebody is told before they ask for a voiceover: languages, wait, GPU time, cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from campus.courses.models import Lesson
from campus.languages import name, same
from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import RETRIABLE
from gpu_node.contracts.jobs import DubPayload
from orchestrator import history, ledger
from orchestrator.forecast import Forecast
from orchestrator.settings import fleet_settings

_KIND: str = DubPayload.model_fields["kind"].default


@dataclass(frozen=True, slots=True)
class Choice:
    """A language, and why it cannot be asked for (again) now: empty when it can."""

    tag: str
    label: str
    why_not: str
    voiceover: Voiceover | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """For one language. `wait_seconds` is None when nobody can say.

    `cost` is of the node's time for the job itself; `alone` what comes on top when a node is woken
    for nothing else: its start, and the idle time before it is put to sleep again.
    """

    wait: str
    wait_seconds: float | None
    gpu_seconds: float
    cost: Decimal
    alone: Decimal
    currency: str


def choices(lesson: Lesson) -> list[Choice]:
    """Every language somebody might think of for this lesson."""
    there = {row.target_language: row for row in Voiceover.objects.filter(lesson=lesson)}
    brings, offered = services.languages_of(lesson), services.offered()
    tags = {target for _, target in offered.pairs} | brings.subtitles | there.keys()
    tags = {tag for tag in tags if not same(tag, brings.source)}
    return [_choice(lesson, tag, there.get(tag)) for tag in sorted(tags, key=name)]


def estimate(lesson: Lesson, now: datetime) -> Estimate:
    """What one dub of this lesson would take, by the same model as the planner's."""
    known = Forecast(now)
    waiting = known.of_new(_KIND, lesson.duration)
    seconds = known.durations.seconds(_KIND, lesson.duration)
    settings = fleet_settings()
    # Not the view's own: it learns only while something waits, and here nothing may.
    wake = history.usual_wake() or history.PROMISED_WAKE
    besides = wake + known.fleet.policy.idle
    return Estimate(
        wait=waiting.sentence,
        wait_seconds=waiting.seconds,
        gpu_seconds=seconds,
        cost=ledger.cost(seconds, settings.fleet_price_per_hour),
        alone=ledger.cost(besides.total_seconds(), settings.fleet_price_per_hour),
        currency=settings.fleet_currency,
    )


def _choice(lesson: Lesson, tag: str, there: Voiceover | None) -> Choice:
    return Choice(tag, name(tag), _why_not(lesson, tag, there), there)


def _why_not(lesson: Lesson, tag: str, there: Voiceover | None) -> str:
    again = there is None or (
        there.current_state in RETRIABLE and there.reason != services.PUBLISHING_FAILED
    )
    if not again and there is not None:
        return f"This voiceover is “{there.get_state_display()}” already."
    return services.refusal(lesson, tag) or ""

"""The numbers on the admin's first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from campus.accounts.access import user_of
from campus.accounts.roles import SEE_FLEET, SEE_REVIEWS
from campus.courses.models import Course
from campus.courses.states import CourseState
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import VoiceoverState
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.fleet_report import fleet_report


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    url: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows besides the theme's own."""
    return context | {"tiles": [*_work(request), *_fleet(request)]}


def _work(request: HttpRequest) -> list[Tile]:
    courses = reverse("admin:courses_course_changelist")
    dubs = reverse("admin:voiceovers_voiceover_changelist")
    submitted = Course.objects.filter(state=CourseState.SUBMITTED).count()
    failed = Voiceover.objects.filter(state=VoiceoverState.FAILED).count()
    in_review = Voiceover.objects.filter(state=VoiceoverState.IN_REVIEW).count()
    reviews = reverse("review:list") if user_of(request).has_perm(SEE_REVIEWS) else dubs
    return [
        Tile("Courses to review", str(submitted), f"{courses}?state__exact=submitted"),
        Tile("Dubs to review", str(in_review), reviews),
        Tile("Failed voiceovers", str(failed), f"{dubs}?state__exact=failed"),
    ]


def _fleet(request: HttpRequest) -> list[Tile]:
    if not user_of(request).has_perm(SEE_FLEET):
        return []
    report, url = fleet_report(DATABASE_CLOCK.now()), reverse("fleet:overview")
    awake = sum(node.awake_since is not None for node in report.nodes)
    return [
        Tile("Running jobs", str(report.running), url),
        Tile("Queued jobs", str(report.queued), url),
        Tile("Nodes awake", f"{awake} of {len(report.nodes)}", url),
    ]

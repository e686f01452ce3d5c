"""The public catalogue. Nobody has to log in for it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from campus.courses.models import Course, Lesson
from campus.courses.states import CourseState
from campus.languages import name
from campus.publishing import sales
from campus.publishing.hosts import video_host
from campus.publishing.models import Publication
from campus.publishing.states import PublicationState

_SECTION = {"section": "catalogue"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A course as it is sold: in these languages, besides its own."""

    course: Course
    languages: list[str]
    lessons: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Preview:
    """The first lesson, to be watched by anybody."""

    language: str
    host_id: str
    tracks: tuple[str, ...]


@login_not_required
@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """All courses on sale."""
    courses = Course.objects.filter(state=CourseState.ON_SALE).prefetch_related("lessons")
    offers = [_offer(course) for course in courses.order_by("-changed_at")]
    return render(request, "catalogue/list.html", _SECTION | {"offers": offers})


@login_not_required
@require_safe
def course(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """One course on sale."""
    found = _on_sale(course_id)
    lessons = list(found.lessons.all())
    context = {
        "offer": _offer(found),
        "lessons": lessons,
        "previews": _previews(lessons[0]) if lessons else [],
    }
    return render(request, "catalogue/course.html", _SECTION | context)


@login_not_required
@require_safe
def buy(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """Where payment would begin."""
    return render(request, "catalogue/buy.html", _SECTION | {"course": _on_sale(course_id)})


def _on_sale(course_id: UUID) -> Course:
    return get_object_or_404(Course, pk=course_id, state=CourseState.ON_SALE)


def _offer(course: Course) -> Offer:
    lessons = list(course.lessons.all())
    return Offer(
        course=course,
        languages=sorted(sales.languages(course), key=name),
        lessons=len(lessons),
        seconds=sum(lesson.duration for lesson in lessons),
    )


def _previews(lesson: Lesson) -> list[Preview]:
    host = video_host()
    rows = Publication.objects.filter(
        voiceover__lesson=lesson, state=PublicationState.DONE
    ).select_related("voiceover")
    found = []
    for row in rows.order_by("voiceover__target_language"):
        about = host.about(row.host_id)
        if about is not None:
            found.append(Preview(row.voiceover.target_language, row.host_id, about.subtitles))
    return found

"""A partner's courses."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campus.accounts.access import needs, user_of
from campus.accounts.roles import OWN_COURSES
from campus.courses import services
from campus.courses.access import own_course
from campus.courses.forms import CourseForm, PriceForm
from campus.courses.models import Course, CourseEvent
from campus.courses.states import SETTLED, CourseState
from campus.refusals import Refused
from campus.voiceovers.presenting import LessonCard, lesson_cards
from orchestrator.clock import DATABASE_CLOCK

_SECTION = {"section": "courses"}


@needs(OWN_COURSES)
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """All courses of this partner."""
    courses = Course.objects.filter(owner=user_of(request)).prefetch_related("lessons")
    return render(request, "courses/mine.html", _SECTION | {"courses": courses})


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new course."""
    form = CourseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = DATABASE_CLOCK.now()
        course = form.save(commit=False)
        course.owner, course.created_at, course.changed_at = user_of(request), now, now
        with transaction.atomic():
            course.save()
            CourseEvent.objects.create(
                course=course, at=now, new=CourseState.DRAFT, by=user_of(request)
            )
        messages.success(request, "The course was created. Now add its lessons.")
        return redirect("courses:edit", course.pk)
    return render(request, "courses/form.html", _SECTION | {"form": form})


@needs(OWN_COURSES)
@require_safe
def edit(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """One course: its lessons, where they stand, and what can be done."""
    course = own_course(request, course_id)
    cards = lesson_cards(course, DATABASE_CLOCK.now())
    context = {
        "course": course,
        "lessons": cards,
        "live": _live(cards),
        "reason": services.return_reason(course),
        "events": course.events.select_related("by"),
        "price_open": course.current_state in SETTLED,
    }
    return render(request, "courses/edit.html", _SECTION | context)


@needs(OWN_COURSES)
@require_safe
def states(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """The part of the course's page that lives."""
    course = own_course(request, course_id)
    cards = lesson_cards(course, DATABASE_CLOCK.now())
    live = _live(cards)
    context = {"course": course, "lessons": cards, "live": live}
    # 286 is htmx's word for "stop asking".
    return render(request, "courses/_lessons.html", context, status=200 if live else 286)


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
def details(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """Title, description, language, price; only the price once it was accepted."""
    course = own_course(request, course_id)
    form_class = CourseForm if course.editable else PriceForm
    if not course.editable and course.current_state not in SETTLED:
        messages.error(request, services.NOT_NOW)
        return redirect("courses:edit", course.pk)
    form = form_class(request.POST or None, instance=course)
    if request.method == "POST" and form.is_valid():
        # Only what the form is about, and only if the course is still open for it.
        fields = {name: form.cleaned_data[name] for name in form.fields}
        saved = Course.objects.filter(pk=course.pk, state=course.state).update(**fields)
        if saved:
            messages.success(request, "Saved.")
        else:
            messages.error(request, "The course has changed meanwhile: nothing was saved.")
        return redirect("courses:edit", course.pk)
    return render(request, "courses/form.html", _SECTION | {"form": form, "course": course})


@needs(OWN_COURSES)
@require_POST
def submit(request: HttpRequest, course_id: UUID) -> HttpResponseBase:
    """Hand it over for review."""
    course = own_course(request, course_id)
    try:
        services.submit(course, user_of(request), DATABASE_CLOCK.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    else:
        messages.success(request, "Submitted. You will be told when it has been looked at.")
    return redirect("courses:edit", course.pk)


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, course_id: UUID) -> HttpResponse:
    """Ask, then delete."""
    course = own_course(request, course_id)
    if request.method == "POST":
        try:
            services.delete_course(course)
        except Refused as refused:
            messages.error(request, refused.sentence)
            return redirect("courses:edit", course_id)
        messages.success(request, f"“{course.title}” was deleted.")
        return redirect("courses:mine")
    context = {"what": f"the course “{course.title}”", "count": course.lessons.count()}
    return render(request, "courses/confirm_delete.html", _SECTION | context | {"course": course})


def _live(cards: list[LessonCard]) -> bool:
    return any(dub.under_way for card in cards for dub in card.dubs)

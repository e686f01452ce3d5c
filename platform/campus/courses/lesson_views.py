"""A partner's lessons: video, subtitles, order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from campus.accounts.access import needs
from campus.accounts.roles import OWN_COURSES
from campus.courses import services, uploads
from campus.courses.access import own_course, own_lesson
from campus.courses.forms import LessonForm, SubtitlesForm
from campus.courses.models import Course, Lesson
from campus.refusals import Refused
from campus.security import by_script
from orchestrator.clock import DATABASE_CLOCK


def _refuse_new(
    request: HttpRequest, sentence: str, status: int, course_id: UUID
) -> HttpResponseBase:
    return _form_page(request, own_course(request, course_id), None, _fresh(), sentence, status)


def _refuse_change(
    request: HttpRequest, sentence: str, status: int, lesson_id: UUID
) -> HttpResponseBase:
    lesson = own_lesson(request, lesson_id)
    return _form_page(request, lesson.course, lesson, _fresh(lesson), sentence, status)


def _refuse_subtitles(
    request: HttpRequest, sentence: str, status: int, lesson_id: UUID
) -> HttpResponseBase:
    lesson = own_lesson(request, lesson_id)
    form = _subtitles_form(lesson)
    return _subtitles_page(request, lesson, form, sentence, status)


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
@uploads.takes_files(_refuse_new)
def add(request: HttpRequest, course_id: UUID) -> HttpResponseBase:
    """A new lesson."""
    course = own_course(request, course_id)
    if not course.editable:
        return _not_now(request, course)
    if request.method != "POST":
        return _form_page(request, course, None, _fresh())
    form = LessonForm(request.POST, request.FILES)
    if not form.is_valid():
        return _form_page(request, course, None, form, status=422)
    given = form.cleaned_data
    try:
        lesson = uploads.add_lesson(
            course, given["title"], given["video"], given["whole_size"], DATABASE_CLOCK.now()
        )
    except Refused as refused:
        return _form_page(request, course, None, form, refused.sentence, 422)
    return _done(request, course, f"“{lesson.title}” was added.")


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
@uploads.takes_files(_refuse_change)
def change(request: HttpRequest, lesson_id: UUID) -> HttpResponseBase:
    """Another title, or another video."""
    lesson = own_lesson(request, lesson_id)
    if not lesson.course.editable:
        return _not_now(request, lesson.course)
    if request.method != "POST":
        return _form_page(request, lesson.course, lesson, _fresh(lesson))
    form = LessonForm(request.POST, request.FILES, video_required=False)
    if not form.is_valid():
        return _form_page(request, lesson.course, lesson, form, status=422)
    given = form.cleaned_data
    try:
        if given["video"] is not None:
            uploads.replace_video(lesson, given["video"], given["whole_size"], DATABASE_CLOCK.now())
        services.rename_lesson(lesson, given["title"])
    except Refused as refused:
        return _form_page(request, lesson.course, lesson, form, refused.sentence, 422)
    return _done(request, lesson.course, "Saved.")


@needs(OWN_COURSES)
@require_POST
def shift(request: HttpRequest, lesson_id: UUID, direction: str) -> HttpResponse:
    """One place up or down."""
    lesson = own_lesson(request, lesson_id)
    try:
        services.shift(lesson, up=direction == "up")
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect("courses:edit", lesson.course_id)


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, lesson_id: UUID) -> HttpResponse:
    """Ask, then delete."""
    lesson = own_lesson(request, lesson_id)
    course = lesson.course
    if request.method == "POST":
        try:
            services.delete_lesson(lesson)
        except Refused as refused:
            messages.error(request, refused.sentence)
        else:
            messages.success(request, f"“{lesson.title}” was deleted.")
        return redirect("courses:edit", course.pk)
    context = {"what": f"the lesson “{lesson.title}”", "course": course, "section": "courses"}
    return render(request, "courses/confirm_delete.html", context)


@needs(OWN_COURSES)
@require_http_methods(["GET", "HEAD", "POST"])
@uploads.takes_files(_refuse_subtitles)
def subtitles(request: HttpRequest, lesson_id: UUID) -> HttpResponseBase:
    """Add subtitles, or replace those of a language."""
    lesson = own_lesson(request, lesson_id)
    if not lesson.course.editable:
        return _not_now(request, lesson.course)
    if request.method != "POST":
        return _subtitles_page(request, lesson, _subtitles_form(lesson))
    form = _subtitles_form(lesson, request.POST, request.FILES)
    if not form.is_valid():
        return _subtitles_page(request, lesson, form, status=422)
    given = form.cleaned_data
    try:
        uploads.set_subtitles(lesson, given["language"], given["file"], DATABASE_CLOCK.now())
    except Refused as refused:
        return _subtitles_page(request, lesson, form, refused.sentence, 422)
    return _done(request, lesson.course, "The subtitles were added.")


@needs(OWN_COURSES)
@require_POST
def remove_subtitles(request: HttpRequest, lesson_id: UUID, language: str) -> HttpResponse:
    """Take subtitles away."""
    lesson = own_lesson(request, lesson_id)
    get_object_or_404(lesson.subtitles, language=language)
    try:
        services.remove_subtitles(lesson, language)
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect("courses:edit", lesson.course_id)


def _fresh(lesson: Lesson | None = None) -> LessonForm:
    if lesson is None:
        return LessonForm()
    return LessonForm(initial={"title": lesson.title}, video_required=False)


def _form_page(
    request: HttpRequest,
    course: Course,
    lesson: Lesson | None,
    form: LessonForm,
    sentence: str = "",
    status: int = 200,
) -> HttpResponseBase:
    """The form with what is wrong; the page's script is told in its own way."""
    if by_script(request):
        return JsonResponse({"sentence": sentence or _first_error(form)}, status=status)
    context: dict[str, Any] = {
        "course": course,
        "lesson": lesson,
        "form": form,
        "sentence": sentence,
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "too_big": uploads.too_big(),
        "section": "courses",
    }
    return render(request, "courses/lesson.html", context, status=status)


def _subtitles_form(lesson: Lesson, *given: Any) -> SubtitlesForm:
    there = list(lesson.subtitles.all())
    return SubtitlesForm(*given, source=lesson.course.source_language, given=there)


def _subtitles_page(
    request: HttpRequest,
    lesson: Lesson,
    form: SubtitlesForm,
    sentence: str = "",
    status: int = 200,
) -> HttpResponseBase:
    context = {
        "form": form,
        "lesson": lesson,
        "course": lesson.course,
        "sentence": sentence,
        "section": "courses",
    }
    return render(request, "courses/subtitles.html", context, status=status)


def _done(request: HttpRequest, course: Course, sentence: str) -> HttpResponseBase:
    messages.success(request, sentence)
    if by_script(request):
        return JsonResponse({"location": reverse("courses:edit", args=[course.pk])})
    return redirect("courses:edit", course.pk)


def _not_now(request: HttpRequest, course: Course) -> HttpResponseBase:
    if by_script(request):
        return JsonResponse({"sentence": services.NOT_NOW}, status=409)
    messages.error(request, services.NOT_NOW)
    return redirect("courses:edit", course.pk)


def _first_error(form: LessonForm) -> str:
    for name, errors in form.errors.items():
        label = form.fields[name].label or name if name in form.fields else ""
        return f"{label}: {errors[0]}" if label else str(errors[0])
    return "The form is not complete."

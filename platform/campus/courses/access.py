"""A partner's own courses and lessons. Anybody else's do not exist for them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from campus.accounts.access import user_of
from campus.courses.models import Course, Lesson


def own_course(request: HttpRequest, course_id: UUID) -> Course:
    """Raises Http404 for a course that is not there or not theirs."""
    return get_object_or_404(Course, pk=course_id, owner=user_of(request))


def own_lesson(request: HttpRequest, lesson_id: UUID) -> Lesson:
    """Raises Http404 for a lesson that is not there or not theirs."""
    lessons = Lesson.objects.select_related("course")
    return get_object_or_404(lessons, pk=lesson_id, course__owner=user_of(request))

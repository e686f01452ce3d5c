"""Which courses are on sale: those of which a buyer would get every lesson."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from campus.accounts.models import User
from campus.courses.models import Course
from campus.courses.services import move
from campus.courses.states import CourseState
from campus.refusals import Refused
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import VoiceoverState

GOES_ON_SALE = "Every lesson is published."
NO_PRICE = "It has no price any more."
GOES_OFF_SALE = "Not every lesson is published any more."


def complete_in(lessons: Iterable[UUID], published: Mapping[UUID, frozenset[str]]) -> set[str]:
    """The languages in which every lesson is published. A course without lessons has none."""
    found: set[str] | None = None
    for lesson in lessons:
        here = set(published.get(lesson, frozenset()))
        found = here if found is None else found & here
    return found or set()


def languages(course: Course) -> set[str]:
    """The languages in which a course can be sold."""
    lessons = list(course.lessons.values_list("pk", flat=True))
    published: dict[UUID, frozenset[str]] = {}
    rows = Voiceover.objects.filter(lesson__course=course, state=VoiceoverState.PUBLISHED)
    for lesson_id, language in rows.values_list("lesson_id", "target_language"):
        if lesson_id is not None:
            published[lesson_id] = published.get(lesson_id, frozenset()) | {language}
    return complete_in(lessons, published)


def offer(now: datetime) -> None:
    """Put on sale every accepted course that is complete, has a price, and is not held back."""
    ready = Course.objects.filter(state=CourseState.ACCEPTED, held_back=False, price__isnull=False)
    for course in ready:
        with transaction.atomic():
            if languages(course):
                old, new = CourseState.ACCEPTED, CourseState.ON_SALE
                move(course, old, new, now, by=None, reason=GOES_ON_SALE)


def withdraw(now: datetime) -> None:
    """Take off sale what has no price any more, or of which a buyer would not get every lesson."""
    for course in Course.objects.filter(state=CourseState.ON_SALE):
        with transaction.atomic():
            reason = NO_PRICE if course.price is None else ""
            reason = reason or ("" if languages(course) else GOES_OFF_SALE)
            if reason:
                old, new = CourseState.ON_SALE, CourseState.ACCEPTED
                move(course, old, new, now, by=None, reason=reason)


def put_on_sale(course: Course, by: User, now: datetime) -> None:
    """Back to the catalogue. Raises Refused."""
    with transaction.atomic():
        course = Course.objects.select_for_update().get(pk=course.pk)
        if course.price is None:
            raise Refused("It has no price yet: the partner sets it.")
        if not languages(course):
            raise Refused("Not every lesson is published yet, in any language.")
        if not move(course, CourseState.ACCEPTED, CourseState.ON_SALE, now, by=by):
            raise Refused(f"It cannot be sold now: it is “{course.get_state_display()}”.")
        Course.objects.filter(pk=course.pk).update(held_back=False)

"""A course's way from draft to sale. Every change is one conditional UPDATE and an event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.courses.models import Course, CourseEvent, Lesson
from campus.courses.states import EDITABLE, TRANSITIONS, CourseState
from campus.notifications.services import Note, tell, tell_roles
from campus.reasons import tidy_reason
from campus.refusals import Refused

NOT_NOW = "This course is not a draft any more, so its lessons cannot be changed."
_COURSE_GONE = "This course was deleted meanwhile."
_SOMEBODY_FASTER = "Somebody else was faster: this course is now “{label}”."
MOST_LESSONS = 500


def move(
    course: Course,
    old: CourseState,
    new: CourseState,
    now: datetime,
    *,
    by: User | None,
    reason: str = "",
) -> bool:
    """Change the state if it is still `old`; False when somebody else changed it first."""
    if new not in TRANSITIONS[old]:
        raise ValueError(f"a course does not go from {old} to {new}")
    if Course.objects.filter(pk=course.pk, state=old).update(state=new, changed_at=now) != 1:
        return False
    CourseEvent.objects.create(course=course, at=now, old=old, new=new, by=by, reason=reason)
    course.state, course.changed_at = new.value, now
    return True


def submit(course: Course, by: User, now: datetime) -> None:
    """Hand a course over for review. Raises Refused."""
    with transaction.atomic():
        course = lock_editable(course.pk)
        if not course.lessons.exists():
            raise Refused("Add at least one lesson before you submit the course.")
        _must(course, course.current_state, CourseState.SUBMITTED, now, by=by)
        tell_roles(
            [Role.ADMIN],
            Note(
                key=f"course-submitted:{course.pk}:{_times(course, CourseState.SUBMITTED)}",
                title=f"New course to review: {course.title}",
                text=f"{by} submitted “{course.title}” with {course.lessons.count()} lesson(s).",
                path=reverse("admin:courses_course_change", args=[course.pk]),
            ),
            now,
        )


def accept(course: Course, by: User, now: datetime) -> None:
    """The content is fine. Raises Refused."""
    with transaction.atomic():
        _must(course, CourseState.SUBMITTED, CourseState.ACCEPTED, now, by=by)
        _tell_owner(course, "accepted", f"Your course was accepted: {course.title}", "", now)


def give_back(course: Course, by: User, reason: str, now: datetime) -> None:
    """Something has to change, and the partner is told what. Raises Refused."""
    reason = tidy_reason(reason, "Write what has to be changed: the partner will read it.")
    with transaction.atomic():
        _must(course, CourseState.SUBMITTED, CourseState.RETURNED, now, by=by, reason=reason)
        _tell_owner(course, "returned", f"Please change your course: {course.title}", reason, now)


def take_off_sale(course: Course, by: User, now: datetime) -> None:
    """Off the catalogue, until somebody puts it back. Raises Refused."""
    with transaction.atomic():
        _must(course, CourseState.ON_SALE, CourseState.ACCEPTED, now, by=by)
        Course.objects.filter(pk=course.pk).update(held_back=True)


def return_reason(course: Course) -> str:
    """Why it was returned last; empty unless it still is."""
    if course.current_state is not CourseState.RETURNED:
        return ""
    last = course.events.filter(new=CourseState.RETURNED).last()
    return last.reason if last else ""


def lock_editable(course_id: UUID) -> Course:
    """The course, locked for this transaction, if its lessons may change. Raises Refused."""
    course = Course.objects.select_for_update().filter(pk=course_id).first()
    if course is None:
        raise Refused(_COURSE_GONE)
    if course.current_state not in EDITABLE:
        raise Refused(NOT_NOW)
    return course


def lock_lesson(lesson: Lesson) -> None:
    """The same for a lesson that is to be changed, which may have gone since. Raises Refused."""
    lock_editable(lesson.course_id)
    if not Lesson.objects.filter(pk=lesson.pk).exists():
        raise Refused("This lesson was deleted meanwhile.")


def shift(lesson: Lesson, up: bool) -> None:
    """Move a lesson one place up or down. Raises Refused."""
    with transaction.atomic():
        course = lock_editable(lesson.course_id)
        lessons = list(course.lessons.all())
        at = next((n for n, other in enumerate(lessons) if other.pk == lesson.pk), None)
        to = None if at is None else at + (-1 if up else 1)
        if at is None or to is None or not 0 <= to < len(lessons):
            return
        lessons[at], lessons[to] = lessons[to], lessons[at]
        for position, other in enumerate(lessons, start=1):
            Lesson.objects.filter(pk=other.pk).update(position=position)


def rename_lesson(lesson: Lesson, title: str) -> None:
    """Raises Refused."""
    with transaction.atomic():
        lock_lesson(lesson)
        Lesson.objects.filter(pk=lesson.pk).update(title=title)


def remove_subtitles(lesson: Lesson, language: str) -> None:
    """Raises Refused."""
    with transaction.atomic():
        lock_editable(lesson.course_id)
        lesson.subtitles.filter(language=language).delete()


def delete_lesson(lesson: Lesson) -> None:
    """Raises Refused."""
    with transaction.atomic():
        lock_editable(lesson.course_id)
        lesson.delete()


def delete_course(course: Course) -> None:
    """Raises Refused."""
    with transaction.atomic():
        lock_editable(course.pk).delete()


def _must(
    course: Course,
    old: CourseState,
    new: CourseState,
    now: datetime,
    *,
    by: User,
    reason: str = "",
) -> None:
    if move(course, old, new, now, by=by, reason=reason):
        return
    found = Course.objects.filter(pk=course.pk).first()
    if found is None:
        raise Refused(_COURSE_GONE)
    raise Refused(_SOMEBODY_FASTER.format(label=found.get_state_display()))


def _tell_owner(course: Course, what: str, title: str, text: str, now: datetime) -> None:
    note = Note(
        key=f"course-{what}:{course.pk}:{_times(course, course.current_state)}",
        title=title,
        text=text,
        path=reverse("courses:edit", args=[course.pk]),
    )
    tell([course.owner], note, now)


def _times(course: Course, state: CourseState) -> int:
    """How often it has been in a state: the second return is another event than the first."""
    return course.events.filter(new=state).count()

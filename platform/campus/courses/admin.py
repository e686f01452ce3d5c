"""Courses and lessons as admins judge them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from campus.accounts.access import user_of
from campus.accounts.roles import DECIDE_COURSES, GENERATE, SELL_COURSES
from campus.courses import services
from campus.courses.models import Course, Lesson
from campus.courses.states import SETTLED, CourseState
from campus.languages import name
from campus.publishing import sales
from campus.refusals import Refused
from campus.theme.admin_base import ReadOnlyAdmin, ReadOnlyInline
from campus.theme.templatetags.campus import badge, money
from campus.voiceovers import ordering
from campus.voiceovers.services import generate as generate_voiceover
from campus.words import clock
from orchestrator.clock import DATABASE_CLOCK


class LessonInline(ReadOnlyInline[Lesson]):
    """A course's lessons."""

    model = Lesson
    fields = readonly_fields = ("number", "lesson", "length", "languages")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "Lessons"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lesson]:
        return super().get_queryset(request).prefetch_related("subtitles", "voiceovers")

    @display(description="No.")
    def number(self, lesson: Lesson) -> int:
        return lesson.position

    @display(description="Title")
    def lesson(self, lesson: Lesson) -> SafeString:
        url = reverse("admin:courses_lesson_change", args=[lesson.pk])
        return format_html('<a class="link" href="{}">{}</a>', url, lesson.title)

    @display(description="Length")
    def length(self, lesson: Lesson) -> str:
        return clock(lesson.duration)

    @display(description="Voiceovers")
    def languages(self, lesson: Lesson) -> str | SafeString:
        return _dubs(lesson)


@admin.register(Course)
class CourseAdmin(ReadOnlyAdmin[Course]):
    """Courses: accepted, returned, sold."""

    deletable = True
    list_display = ["title", "owner", "state_shown", "lesson_count", "price_shown", "changed_at"]
    list_filter = ["state", "source_language"]
    search_fields = ["title", "owner__username", "owner__name"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "title",
                    "owner",
                    "state_shown",
                    "description",
                    "language_shown",
                    "price_shown",
                    "history",
                ]
            },
        )
    ]
    readonly_fields = ["state_shown", "language_shown", "price_shown", "history"]
    inlines = [LessonInline]
    actions_detail = ["accept", "give_back", "put_on_sale", "take_off_sale"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Course]:
        rows = super().get_queryset(request).select_related("owner")
        counted: QuerySet[Course] = rows.annotate(lessons_there=Count("lessons"))
        return counted

    @display(description="State", ordering="state")
    def state_shown(self, course: Course) -> SafeString:
        return badge(course.state, course.get_state_display())

    @display(description="Lessons", ordering="lessons_there")
    def lesson_count(self, course: Any) -> int:
        count: int = course.lessons_there
        return count

    @display(description="Price")
    def price_shown(self, course: Course) -> str:
        return money(course)

    @display(description="Language spoken")
    def language_shown(self, course: Course) -> str:
        return name(course.source_language)

    @display(description="History")
    def history(self, course: Course) -> SafeString:
        rows = (
            (badge(e.new), e.at.strftime("%d %b %Y, %H:%M"), e.by or "", e.reason)
            for e in course.events.select_related("by")
        )
        lines = format_html_join("", "<li>{} {} {} <em>{}</em></li>", rows)
        return format_html('<ol class="timeline">{}</ol>', lines)

    @action(
        description="Accept",
        url_path="accept",
        permissions=["decide"],
        icon="check",
        variant=ActionVariant.PRIMARY,
    )
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        words = "The partner is told. Its lessons can then be dubbed."
        return self._act(request, object_id, "Accept", words, services.accept)

    @action(
        description="Return with a reason", url_path="return", permissions=["decide"], icon="undo"
    )
    def give_back(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        def do(course: Course, by: Any, now: Any) -> None:
            services.give_back(course, by, request.POST.get("reason", ""), now)

        words = "The partner reads the reason, changes the course and submits it again."
        return self._act(request, object_id, "Return", words, do, reason=True)

    @action(
        description="Put on sale",
        url_path="sell",
        permissions=["put_on_sale"],
        icon="storefront",
        variant=ActionVariant.PRIMARY,
    )
    def put_on_sale(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        words = "It appears in the catalogue."
        return self._act(request, object_id, "Put on sale", words, sales.put_on_sale)

    @action(
        description="Take off sale",
        url_path="withdraw",
        permissions=["take_off_sale"],
        icon="remove_shopping_cart",
    )
    def take_off_sale(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        words = "It leaves the catalogue until somebody puts it back. Its dubs stay published."
        return self._act(request, object_id, "Take off sale", words, services.take_off_sale)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return _may(request, DECIDE_COURSES, object_id, CourseState.SUBMITTED)

    def has_put_on_sale_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return _may(request, SELL_COURSES, object_id, CourseState.ACCEPTED)

    def has_take_off_sale_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return _may(request, SELL_COURSES, object_id, CourseState.ON_SALE)

    def _act(
        self,
        request: HttpRequest,
        object_id: str,
        verb: str,
        words: str,
        do: Callable[[Course, Any, Any], None],
        *,
        reason: bool = False,
    ) -> HttpResponseBase:
        """Ask on GET; do it on POST, and say how it went."""
        course = self.found(request, object_id)
        back = reverse("admin:courses_course_change", args=[course.pk])
        if request.method != "POST":
            context = {"verb": verb, "words": words, "reason": reason, "back": back}
            title = f"{verb}: {course.title}"
            return self.page(request, "admin/courses/confirm.html", title, course, **context)
        try:
            do(course, user_of(request), DATABASE_CLOCK.now())
        except Refused as refused:
            messages.error(request, refused.sentence)
        else:
            messages.success(request, f"“{course.title}” is now “{_label(course)}”.")
        return redirect(back)


@admin.register(Lesson)
class LessonAdmin(ReadOnlyAdmin[Lesson]):
    """Lessons, and the button that everything is about."""

    deletable = True
    list_display = ["title", "course", "length", "subtitle_languages", "voiceovers"]
    list_filter = ["course__state", "course__source_language"]
    search_fields = ["title", "course__title", "file_name"]
    fields = ["title", "course", "length", "file_name", "picture", "subtitle_languages"]
    fields += ["voiceovers", "watch"]
    readonly_fields = ["length", "picture", "subtitle_languages", "voiceovers", "watch"]
    actions_detail = ["generate"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lesson]:
        rows = super().get_queryset(request).select_related("course")
        return rows.prefetch_related("subtitles", "voiceovers")

    @display(description="Length", ordering="duration")
    def length(self, lesson: Lesson) -> str:
        return clock(lesson.duration)

    @display(description="Picture")
    def picture(self, lesson: Lesson) -> str:
        video = lesson.media.get("video") or {}
        return f"{video.get('width')} × {video.get('height')}, {video.get('codec')}"

    @display(description="Subtitles")
    def subtitle_languages(self, lesson: Lesson) -> str:
        return ", ".join(name(row.language) for row in lesson.subtitles.all()) or "none"

    @display(description="Voiceovers")
    def voiceovers(self, lesson: Lesson) -> str | SafeString:
        return _dubs(lesson)

    @display(description="Original")
    def watch(self, lesson: Lesson) -> SafeString:
        url = reverse("review:lesson_video", args=[lesson.pk])
        return format_html('<a class="link" href="{}">Watch</a>', url)

    @action(
        description="Generate voiceover",
        url_path="generate",
        permissions=["generate"],
        icon="record_voice_over",
        variant=ActionVariant.PRIMARY,
    )
    def generate(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        lesson = self.found(request, object_id)
        if request.method == "POST":
            return _generate(request, lesson)
        choices = ordering.choices(lesson)
        open_ones = [choice.tag for choice in choices if not choice.why_not]
        context = {
            "choices": choices,
            "only": open_ones[0] if len(open_ones) == 1 else None,
            "estimate": ordering.estimate(lesson, DATABASE_CLOCK.now()),
            "settled": lesson.course.current_state in SETTLED,
            "back": reverse("admin:courses_lesson_change", args=[lesson.pk]),
        }
        title = f"Generate voiceover: {lesson.title}"
        return self.page(request, "admin/courses/generate.html", title, lesson, **context)

    def has_generate_permission(self, request: HttpRequest, _: str | None = None) -> bool:
        return user_of(request).has_perm(GENERATE)


def _generate(request: HttpRequest, lesson: Lesson) -> HttpResponse:
    """Ask for every language that was ticked; each answers for itself."""
    tags = request.POST.getlist("language")
    if not tags:
        messages.error(request, "Choose at least one language.")
        return redirect("admin:courses_lesson_generate", lesson.pk)
    made = []
    for tag in tags:
        try:
            done = generate_voiceover(lesson, tag, user_of(request), DATABASE_CLOCK.now())
        except Refused as refused:
            messages.error(request, refused.sentence)
            continue
        made.append(done.voiceover)
        if done.created:
            messages.success(request, f"{name(tag)}: asked for.")
        else:
            label = done.voiceover.get_state_display()
            messages.info(request, f"{name(tag)}: already under way, it is “{label}”.")
    if len(made) == 1:
        return redirect("admin:voiceovers_voiceover_change", made[0].pk)
    return redirect("admin:courses_lesson_change", lesson.pk)


def _may(request: HttpRequest, permission: str, object_id: str | None, state: CourseState) -> bool:
    """Whether the role allows it, and, where a course is looked at, its state."""
    if not user_of(request).has_perm(permission):
        return False
    # Posted all the same, it is refused in words: the state may have changed since the page came.
    if object_id is None or request.method == "POST":
        return True
    try:
        return Course.objects.filter(pk=object_id, state=state).exists()
    except ValidationError:
        # Not even an id: there is no such course.
        return False


def _label(course: Course) -> str:
    course.refresh_from_db()
    return str(course.get_state_display())


def _dubs(lesson: Lesson) -> str | SafeString:
    rows = [
        (
            reverse("admin:voiceovers_voiceover_change", args=[v.pk]),
            name(v.target_language),
            badge(v.state, v.get_state_display()),
        )
        for v in lesson.voiceovers.all()
    ]
    return format_html_join(" ", '<a class="link" href="{}">{}</a> {}', rows) if rows else "none"

"""Voiceovers in the admin: the list, and each one live."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from typing_extensions import override
from unfold.decorators import display

from campus.languages import name
from campus.theme.admin_base import ReadOnlyAdmin
from campus.theme.templatetags.campus import badge
from campus.voiceovers.models import Voiceover
from campus.voiceovers.views import detail


@admin.register(Voiceover)
class VoiceoverAdmin(ReadOnlyAdmin[Voiceover]):
    """A change page of our own: the same living part as on the site."""

    list_display = [
        "lesson_title",
        "course_title",
        "language",
        "state_shown",
        "requested_by",
        "changed_at",
    ]
    list_filter = ["state", "target_language", "source_language"]
    search_fields = ["lesson_title", "course_title"]
    ordering = ["-changed_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Voiceover]:
        return super().get_queryset(request).select_related("requested_by", "job", "lesson")

    @display(description="Language", ordering="target_language")
    def language(self, voiceover: Voiceover) -> str:
        return f"{name(voiceover.source_language)} → {name(voiceover.target_language)}"

    @display(description="State", ordering="state")
    def state_shown(self, voiceover: Voiceover) -> SafeString:
        return badge(voiceover.state, voiceover.get_state_display())

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        voiceover = self.get_object(request, object_id)
        if voiceover is None or not self.has_view_permission(request, voiceover):
            raise Http404
        back = reverse("admin:voiceovers_voiceover_change", args=[voiceover.pk])
        context = {**detail(request, voiceover), "back": back}
        template = "admin/voiceovers/detail.html"
        return self.page(request, template, str(voiceover), voiceover, **context)

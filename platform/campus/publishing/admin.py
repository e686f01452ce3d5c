"""Publications, to be looked at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from campus.publishing.models import Publication
from campus.theme.admin_base import ReadOnlyAdmin
from campus.theme.templatetags.campus import badge


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin[Publication]):
    """What is on the video host, or on its way there."""

    list_display = ["voiceover", "state_shown", "tries", "created_at", "published_at", "sentence"]
    list_filter = ["state"]
    list_select_related = ["voiceover"]
    fields = ["voiceover", "state_shown", "host_id", "progress", "tries", "not_before", "sentence"]
    fields += ["created_at", "published_at"]
    readonly_fields = ["state_shown"]

    @display(description="State", ordering="state")
    def state_shown(self, publication: Publication) -> SafeString:
        return badge(publication.state)

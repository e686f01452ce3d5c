"""The bell in the page's head."""

from __future__ import annotations

from django.http import HttpRequest

from campus.notifications.models import Notice


def bell(request: HttpRequest) -> dict[str, object]:
    """How many notices have not been read; asked only by templates that show it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"unread": lambda: Notice.objects.filter(user=user, read_at=None).count()}

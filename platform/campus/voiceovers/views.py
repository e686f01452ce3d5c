"""A voiceover's own page: how far it is, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from campus.accounts.access import user_of
from campus.accounts.models import User
from campus.accounts.roles import CANCEL, GENERATE, PUBLISH, SEE_REVIEWS
from campus.publishing import services as publishing
from campus.refusals import Refused
from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from campus.voiceovers.presenting import present
from orchestrator.clock import DATABASE_CLOCK

_SEE = ("voiceovers.view_voiceover", SEE_REVIEWS)
_Act = Callable[[Voiceover, User, datetime], None]
_ACTS: dict[str, tuple[str, _Act, str]] = {
    "cancel": (CANCEL, services.cancel, "Cancelled."),
    "retry": (GENERATE, services.retry, "Queued again."),
    "publish": (PUBLISH, publishing.publish, "It is being published."),
    "unpublish": (PUBLISH, publishing.unpublish, "Taken off the video host."),
}


@require_safe
def page(request: HttpRequest, voiceover_id: UUID) -> HttpResponse:
    """Everything about one voiceover."""
    voiceover = _seen(request, voiceover_id)
    return render(request, "voiceovers/page.html", detail(request, voiceover))


@require_safe
def state(request: HttpRequest, voiceover_id: UUID) -> HttpResponse:
    """The part of the page that lives."""
    context = detail(request, _seen(request, voiceover_id))
    # 286 is htmx's word for "stop asking".
    status = 200 if context["dub"].under_way else 286
    return render(request, "voiceovers/_state.html", context, status=status)


@require_POST
def act(request: HttpRequest, voiceover_id: UUID, what: str) -> HttpResponse:
    """Cancel, retry, publish, unpublish."""
    if what not in _ACTS:
        raise Http404
    needed, do, done = _ACTS[what]
    if not user_of(request).has_perm(needed):
        raise PermissionDenied
    voiceover = get_object_or_404(Voiceover, pk=voiceover_id)
    try:
        do(voiceover, user_of(request), DATABASE_CLOCK.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    else:
        messages.success(request, done)
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect("voiceovers:page", voiceover.pk)


def detail(request: HttpRequest, voiceover: Voiceover) -> dict[str, Any]:
    """What the page and its living part show."""
    now = DATABASE_CLOCK.now()
    return {
        "dub": present(voiceover, now, user_of(request)),
        "voiceover": voiceover,
        # Where its buttons lead back to: checked when they are pressed.
        "back": request.GET.get("next", ""),
        "events": voiceover.events.select_related("by"),
        "publications": voiceover.publications.all(),
        "now": now,
        "section": "review",
    }


def _seen(request: HttpRequest, voiceover_id: UUID) -> Voiceover:
    user = user_of(request)
    if not any(user.has_perm(permission) for permission in _SEE):
        raise PermissionDenied
    rows = Voiceover.objects.select_related("job", "lesson", "requested_by", "approved_by")
    return get_object_or_404(rows, pk=voiceover_id)

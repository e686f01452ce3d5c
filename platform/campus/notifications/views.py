"""A person's notices."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from campus.accounts.access import user_of
from campus.notifications.models import Notice
from orchestrator.clock import DATABASE_CLOCK

_PER_PAGE = 30


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """All of them, the newest first."""
    pages = Paginator(Notice.objects.filter(user=user_of(request)), _PER_PAGE)
    context = {"page": pages.get_page(request.GET.get("page")), "section": "notices"}
    return render(request, "notifications/list.html", context)


@require_POST
def open_notice(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Mark it read, and go to what it is about."""
    notice = get_object_or_404(Notice, pk=notice_id, user=user_of(request))
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=DATABASE_CLOCK.now())
    return redirect(notice.path or "notices:list")


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all of them read."""
    unread = Notice.objects.filter(user=user_of(request), read_at=None)
    unread.update(read_at=DATABASE_CLOCK.now())
    return redirect("notices:list")

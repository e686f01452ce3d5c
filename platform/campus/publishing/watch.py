"""The embedded video host's own pages: open to everybody, but only for what is published."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from campus.publishing.embedded_host import VIDEO, EmbeddedHost
from campus.publishing.hosts import video_host
from campus.publishing.models import Publication
from campus.publishing.port import HostState
from campus.publishing.states import PublicationState
from orchestrator.file_responses import serve_file


@login_not_required
@require_safe
def page(request: HttpRequest, host_id: str) -> HttpResponse:
    """One published video."""
    about = _published(host_id).about(host_id)
    if about is None:
        raise Http404
    return render(request, "watch/page.html", {"about": about, "host_id": host_id})


@login_not_required
@require_safe
def video(request: HttpRequest, host_id: str) -> HttpResponseBase:
    """The video itself, whole or in parts."""
    return _serve(request, host_id, VIDEO, "video/mp4")


@login_not_required
@require_safe
def track(request: HttpRequest, host_id: str, language: str) -> HttpResponseBase:
    """Its subtitles in one language."""
    return _serve(request, host_id, f"{language}.vtt", "text/vtt; charset=utf-8")


def _serve(request: HttpRequest, host_id: str, name: str, kind: str) -> HttpResponseBase:
    try:
        file = _published(host_id).file(host_id, name)
    except FileNotFoundError:
        raise Http404 from None
    response = serve_file(request, file, content_type=kind, etag=f"{host_id}-{name}")
    # What is unpublished must be gone at once.
    response["Cache-Control"] = "no-cache"
    return response


def _published(host_id: str) -> EmbeddedHost:
    """The host, if this may be shown. Raises Http404."""
    host = video_host()
    shown = Publication.objects.filter(host_id=host_id, state=PublicationState.DONE).exists()
    if not shown or host.status(host_id).state is not HostState.DONE:
        raise Http404
    return host

"""Videos and subtitles for people who are logged in. Nodes have signed URLs instead."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from campus.accounts.access import needs, user_of
from campus.accounts.roles import DECIDE_COURSES, OWN_COURSES, SEE_REVIEWS
from campus.courses.models import Lesson
from campus.voiceovers.models import Voiceover
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.dub import DubOutput
from orchestrator.blobs import open_blob
from orchestrator.file_responses import serve_file

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".ogv": "video/ogg",
    ".ts": "video/mp2t",
    ".vtt": "text/vtt; charset=utf-8",
}
_OUTPUTS = {
    "dub": (DubOutput.VIDEO, "video/mp4"),
    "target_vtt": (DubOutput.TARGET_VTT, "text/vtt; charset=utf-8"),
    "source_vtt": (DubOutput.SOURCE_VTT, "text/vtt; charset=utf-8"),
}


@require_safe
def lesson_video(request: HttpRequest, lesson_id: UUID) -> HttpResponseBase:
    """A lesson's original: for its owner, and for those who judge it."""
    lesson = get_object_or_404(Lesson.objects.select_related("course", "video"), pk=lesson_id)
    user = user_of(request)
    owns = user.has_perm(OWN_COURSES) and lesson.course.owner_id == user.pk
    if not (owns or user.has_perm(SEE_REVIEWS) or user.has_perm(DECIDE_COURSES)):
        raise Http404
    return _serve(request, lesson.video_blob(), content_type(lesson.video_suffix))


@needs(SEE_REVIEWS)
@require_safe
def dub_file(request: HttpRequest, voiceover_id: UUID, what: str) -> HttpResponseBase:
    """The dub, or one of its subtitle files."""
    if what not in _OUTPUTS:
        raise Http404
    voiceover = get_object_or_404(Voiceover.objects.select_related("job"), pk=voiceover_id)
    name, kind = _OUTPUTS[what]
    blob = voiceover.job.outputs().get(name)
    if blob is None:
        raise Http404
    return _serve(request, blob, kind)


def content_type(suffix: str) -> str:
    """What to call a video; a wrong word makes browsers refuse what they could play."""
    return _TYPES.get(suffix, "application/octet-stream")


def _serve(request: HttpRequest, blob: Blob, kind: str) -> HttpResponseBase:
    try:
        response = serve_file(request, open_blob(blob.digest), content_type=kind, etag=blob.digest)
    except FileNotFoundError:
        raise Http404 from None
    response["Cache-Control"] = "private, no-cache"
    return response

"""Takes lessons in: received to disk, looked at, stored by content, and only then a row."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from campus.courses import arrivals
from campus.courses.models import FILE_NAME_LENGTH, Course, Lesson, LessonSubtitles
from campus.courses.services import MOST_LESSONS, lock_editable, lock_lesson
from campus.courses.text import suffix, tidy_file_name
from campus.refusals import Refused
from campus.words import size
from gpu_node.contracts.media import MediaInfo
from gpu_node.media.subtitles import MAX_BYTES as SUBTITLES_MAX_BYTES
from orchestrator import blobs

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

# What a form weighs besides its file.
_FORM_BYTES = 1_000_000
_ABANDONED_SECONDS = 86_400.0
"""What nobody has written to for so long belongs to nobody."""

NO_ROOM = "There is no room for this file on the server at the moment. Please try again later."


def takes_files(
    refuse: Callable[Concatenate[HttpRequest, str, int, P], HttpResponseBase],
) -> Callable[[View[P]], View[P]]:
    """Let a view receive files, up to what the site takes.

    `refuse` answers, with a sentence and a status, before the body is read where possible. The CSRF
    check comes second because it reads the body: first it must be known where the body may go.
    """

    def decorate(view: View[P]) -> View[P]:
        checked = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def receive(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if announced(request) > settings.UPLOAD_MAX_BYTES + _FORM_BYTES:
                return refuse(request, too_big(), 413, *args, **kwargs)
            handler = TemporaryFileUploadHandler(request)
            request.upload_handlers = [handler]
            try:
                return checked(request, *args, **kwargs)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                return refuse(request, NO_ROOM, 507, *args, **kwargs)
            finally:
                # Half a file would lie there until Python looks for garbage, on a disk that may be
                # full of it. What was wanted is in storage by now. A full disk can refuse to close.
                with contextlib.suppress(OSError):
                    handler.upload_interrupted()

        return receive

    return decorate


def sweep() -> int:
    """Remove what was being received when the server was killed; how many files went."""
    removed = 0
    for left in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
                removed += 1
    return removed


def announced(request: HttpRequest) -> int:
    """How long the body says it is."""
    given = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(given) if given.isdecimal() else 0


def too_big() -> str:
    return f"This file is too big: up to {size(settings.UPLOAD_MAX_BYTES)} are taken."


def add_lesson(
    course: Course, title: str, upload: UploadedFile[bytes], whole_size: int | None, now: datetime
) -> Lesson:
    """Take a video in as the course's last lesson. Raises Refused."""
    facts = _look(upload, whole_size)
    video = blobs.store_stream(upload.chunks(), now, suffix=suffix(upload.name or ""))
    with transaction.atomic():
        course = lock_editable(course.pk)
        count = course.lessons.count()
        if count >= MOST_LESSONS:
            raise Refused(f"A course holds up to {MOST_LESSONS} lessons.")
        last = course.lessons.last()
        return Lesson.objects.create(
            course=course,
            position=last.position + 1 if last else 1,
            title=title,
            created_at=now,
            **_video_fields(upload, facts, video.digest, video.suffix),
        )


def replace_video(
    lesson: Lesson, upload: UploadedFile[bytes], whole_size: int | None, now: datetime
) -> None:
    """Put another video in a lesson's place; its subtitles stay. Raises Refused."""
    facts = _look(upload, whole_size)
    video = blobs.store_stream(upload.chunks(), now, suffix=suffix(upload.name or ""))
    with transaction.atomic():
        lock_lesson(lesson)
        Lesson.objects.filter(pk=lesson.pk).update(
            **_video_fields(upload, facts, video.digest, video.suffix)
        )


def set_subtitles(
    lesson: Lesson, language: str, upload: UploadedFile[bytes], now: datetime
) -> None:
    """Take subtitles in, in place of any of that language. Raises Refused."""
    if (upload.size or 0) > SUBTITLES_MAX_BYTES:
        raise Refused(f"Subtitles may have up to {size(SUBTITLES_MAX_BYTES)}.")
    found = arrivals.look_at_subtitles(upload.read(), lesson.duration)
    file = blobs.store_stream([found.data], now, suffix=found.suffix)
    with transaction.atomic():
        lock_lesson(lesson)
        LessonSubtitles.objects.update_or_create(
            lesson=lesson,
            language=language,
            defaults={
                "file_name": tidy_file_name(upload.name or "", FILE_NAME_LENGTH),
                "file_id": file.digest,
                "suffix": file.suffix,
                "cues": found.cues,
                "created_at": now,
            },
        )


def _look(upload: UploadedFile[bytes], whole_size: int | None) -> MediaInfo:
    if whole_size is not None and upload.size != whole_size:
        raise Refused("Only a part of the file arrived. Please upload it again.")
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise Refused(too_big())
    if not isinstance(upload, TemporaryUploadedFile):
        raise TypeError("a lesson's upload is received to disk")
    upload.flush()
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        # Under a name without an ending: FFmpeg believes names, and these are the uploader's.
        nameless = Path(folder, "lesson")
        nameless.symlink_to(upload.temporary_file_path())
        return arrivals.look_at_video(nameless)


def _video_fields(
    upload: UploadedFile[bytes], facts: MediaInfo, digest: str, ending: str
) -> dict[str, Any]:
    return {
        "file_name": tidy_file_name(upload.name or "", FILE_NAME_LENGTH),
        "video_id": digest,
        "video_suffix": ending,
        "duration": facts.duration,
        "media": facts.model_dump(mode="json"),
    }

"""Serves a file with HTTP Range, HEAD and conditional requests."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Self

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from orchestrator.byte_ranges import Part, Unsatisfiable, parse

_CHUNK_BYTES = 1 << 18


def serve_file(
    request: HttpRequest,
    path: Path,
    *,
    content_type: str,
    etag: str | None = None,
    download_name: str | None = None,
) -> HttpResponseBase:
    """The file, or the part of it that was asked for. `etag` is the content's digest, unquoted.

    Raises FileNotFoundError. With `download_name` browsers save instead of show.
    """
    file = path.open("rb")
    try:
        response = _answer(request, file, content_type, f'"{etag}"' if etag else None)
    except BaseException:
        file.close()
        raise
    response["Accept-Ranges"] = "bytes"
    response["X-Content-Type-Options"] = "nosniff"
    if etag:
        response["ETag"] = f'"{etag}"'
    if download_name:
        disposition = content_disposition_header(as_attachment=True, filename=download_name)
        if disposition:
            response["Content-Disposition"] = disposition
    return response


def _answer(
    request: HttpRequest, file: BinaryIO, content_type: str, etag: str | None
) -> HttpResponseBase:
    size = file.seek(0, 2)
    if etag and request.headers.get("If-None-Match") == etag:
        file.close()
        return HttpResponseNotModified()
    header = request.headers.get("Range")
    if header and request.headers.get("If-Range", etag) != etag:
        header = None
    wanted = parse(header, size)
    if isinstance(wanted, Unsatisfiable):
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    part = wanted if isinstance(wanted, Part) else Part(0, size - 1)
    headers = {"Content-Length": str(part.length)}
    status = 200
    if isinstance(wanted, Part):
        status = 206
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, content_type=content_type, headers=headers)
    return StreamingHttpResponse(
        _Reader(file, part), status=status, content_type=content_type, headers=headers
    )


class _Reader:
    """A part of a file in pieces. Django closes it, also when nobody reads it to its end."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        self._file = file
        self._left = part.length
        file.seek(part.first)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        chunk = self._file.read(min(_CHUNK_BYTES, self._left))
        if not chunk:
            raise StopIteration
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()

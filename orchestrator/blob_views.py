"""Where signed URLs lead: GET and HEAD with Range, PUT for what a node has made."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.node_api import Refusal, RefusalReason
from orchestrator import blobs
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.file_responses import serve_file
from orchestrator.signed_urls import BLOB_ROOT, Grant, Use, check

_CHUNK_BYTES = 1 << 20


# A signature in the URL is what proves the right; there is no cookie that could be abused.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "PUT"])
def blob(request: HttpRequest, digest: str) -> HttpResponseBase:
    """One blob, read or written."""
    grant = check(digest, request.GET.dict(), DATABASE_CLOCK.now())
    if grant is None:
        return _refuse(403, RefusalReason.URL_INVALID, "This link is wrong or has expired.")
    if request.method == "PUT":
        return _write(request, grant)
    if grant.use is not Use.READ:
        return _refuse(403, RefusalReason.URL_INVALID, "This link is not for reading.")
    try:
        return serve_file(
            request,
            blobs.open_blob(digest),
            content_type="application/octet-stream",
            etag=digest,
        )
    except FileNotFoundError:
        return _refuse(404, RefusalReason.OUTPUT_MISSING, "This file is no longer here.")


def _write(request: HttpRequest, grant: Grant) -> HttpResponse:
    if grant.use is not Use.WRITE:
        return _refuse(403, RefusalReason.URL_INVALID, "This link is not for writing.")
    announced = Blob(digest=grant.digest, size=grant.size)
    if blobs.have([grant.digest]):
        return HttpResponse(status=200)
    length = request.headers.get("Content-Length")
    if length is not None and length != str(grant.size):
        return _refuse(422, RefusalReason.BLOB_DIFFERS, "The file is not as long as announced.")
    try:
        blobs.store_announced(_body(request), announced, DATABASE_CLOCK.now())
    except (blobs.Differs, blobs.TooLarge):
        return _refuse(
            422, RefusalReason.BLOB_DIFFERS, "What arrived is not the file that was announced."
        )
    return HttpResponse(status=201)


def _body(request: HttpRequest) -> Iterator[bytes]:
    """The body as it comes: a dub is not held in memory."""
    while chunk := request.read(_CHUNK_BYTES):
        yield chunk


def _refuse(status: int, reason: RefusalReason, sentence: str) -> HttpResponse:
    said = Refusal(reason=reason, sentence=sentence)
    return JsonResponse(said.model_dump(mode="json"), status=status)


urlpatterns = [path(f"{BLOB_ROOT.strip('/')}/<str:digest>", blob, name="blob")]

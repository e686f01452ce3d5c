"""What stands between the world and the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from typing_extensions import override

_LOGGED_OUT = "You are not logged in any more. Reload the page, log in, and try again."


def by_script(request: HttpRequest) -> bool:
    """Whether one of our pages' scripts asks, and wants to be answered in its own way."""
    return request.headers.get("Accept") == "application/json"


class ContentSecurityPolicy:
    """Scripts and styles come from our own files only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        admin = request.path.startswith("/admin/")
        policy = (
            settings.ADMIN_CONTENT_SECURITY_POLICY if admin else settings.CONTENT_SECURITY_POLICY
        )
        response.headers.setdefault("Content-Security-Policy", policy)
        return response


class LoginRequired(LoginRequiredMiddleware):
    """Every page wants a login, except those that say otherwise and the machines' own doors."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.path.startswith(settings.LOGIN_FREE_PREFIXES):
            return None
        refusal = super().process_view(request, view_func, view_args, view_kwargs)
        if refusal is not None and request.headers.get("HX-Request") == "true":
            # A redirect would put the login page into the middle of the page that polled.
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        if refusal is not None and by_script(request):
            # A script would follow a redirect and take the login page for an answer.
            return JsonResponse({"sentence": _LOGGED_OUT}, status=401)
        return refusal


class NoFiles(FileUploadHandler):
    """Refuses any file: the pages that take one bring handlers of their own."""

    @override
    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SuspiciousOperation("This page takes no files.")

    @override
    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    @override
    def file_complete(self, file_size: int) -> None:
        return None

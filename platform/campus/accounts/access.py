"""What a view asks before it does anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from campus.accounts.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def user_of(request: HttpRequest) -> User:
    """Who is logged in. Raises PermissionDenied for a stranger."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def needs(permission: str) -> Callable[[View[P]], View[P]]:
    """Only people whose role allows it; others get 403."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not user_of(request).has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate

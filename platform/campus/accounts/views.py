"""Logging in and out, and where each role begins."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator

from campus.accounts.access import user_of
from campus.accounts.forms import LoginForm
from campus.accounts.models import User
from campus.accounts.roles import Role

_HOMES = {
    Role.PARTNER: "courses:mine",
    Role.REVIEWER: "review:list",
    Role.ADMIN: "admin:index",
    Role.OPS: "fleet:overview",
}


@method_decorator(login_not_required, name="dispatch")
class Login(LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class Logout(LogoutView):
    """POST only, as Django's."""


@login_not_required
def admin_door(request: HttpRequest) -> HttpResponse:
    """The admin's own login page knows no throttle: there is one door.

    Somebody who is logged in and was sent here all the same may not enter; the login page would
    send them back, and so on for ever.
    """
    if isinstance(request.user, User) and not request.user.is_staff:
        raise PermissionDenied
    query = request.META.get("QUERY_STRING", "")
    return redirect(f"{reverse('login')}?{query}" if query else "login")


def home(request: HttpRequest) -> HttpResponse:
    """Everybody's own first page."""
    return redirect(_HOMES[Role(user_of(request).role)])

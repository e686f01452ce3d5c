"""Logging in and out, and where each role begins."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from campus.accounts.access import user_of
from campus.accounts.forms import LoginForm
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


def home(request: HttpRequest) -> HttpResponse:
    """Everybody's own first page."""
    return redirect(_HOMES[Role(user_of(request).role)])

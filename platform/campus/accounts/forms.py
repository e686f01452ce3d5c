"""The login form, and the forms admins make users with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from campus.accounts import throttle
from orchestrator.clock import DATABASE_CLOCK


class LoginForm(AuthenticationForm):
    """Name and password, and no more guesses than the throttle allows."""

    error_messages = {
        "invalid_login": "This name and password do not belong together. Mind capitals.",
        "inactive": "This account is switched off.",
        "throttled": "Too many wrong passwords. Wait 15 minutes and try again.",
    }

    def clean(self) -> dict[str, Any]:
        username = str(self.cleaned_data.get("username", ""))
        if self.request is None or not username or not self.cleaned_data.get("password"):
            return dict(super().clean())
        address, now = throttle.address_of(self.request), DATABASE_CLOCK.now()
        if throttle.refused(throttle.recent(username, address, now)):
            raise forms.ValidationError(self.error_messages["throttled"], code="throttled")
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            throttle.note_failure(username, address, now)
            raise
        throttle.forgive(username, address)
        return dict(cleaned)

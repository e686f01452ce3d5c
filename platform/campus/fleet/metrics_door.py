"""Who may read the metrics: whoever shows the token; without one, this machine alone."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse

from campus.site_settings import site_settings

_PASSED_ON = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")
"""A proxy on this machine speaks for others, and says so."""


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Why this request is not answered; None when it is."""
    token = site_settings().metrics_token.get_secret_value()
    if token:
        if _shown(request, token):
            return None
        sentence = "The metrics want the token of METRICS_TOKEN."
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return HttpResponse(sentence, status=401, content_type="text/plain", headers=headers)
    if _from_here(request):
        return None
    sentence = "Without METRICS_TOKEN the metrics are for this machine alone."
    return HttpResponse(sentence, status=403, content_type="text/plain")


def _shown(request: HttpRequest, token: str) -> bool:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    # Bytes: text that is not ASCII cannot be compared.
    same = hmac.compare_digest(shown.strip().encode(), token.encode())
    return scheme.lower() == "bearer" and same


def _from_here(request: HttpRequest) -> bool:
    if any(header in request.headers for header in _PASSED_ON):
        return False
    try:
        return ip_address(str(request.META.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False

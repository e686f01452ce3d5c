"""The operators' page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from campus.accounts.access import needs, user_of
from campus.accounts.roles import OPERATE_FLEET, SEE_FLEET
from campus.fleet import presenting
from orchestrator import fleet_control
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.models import Node
from orchestrator.settings import fleet_settings

_ORDERS: dict[str, tuple[Callable[[Node, str, datetime], None], str]] = {
    "hold": (fleet_control.hold, "{} is held: it is neither woken nor shelved."),
    "drain": (fleet_control.drain, "{} finishes its job and is put to sleep until released."),
    "release": (fleet_control.release, "{} is the fleet's again."),
}


@needs(SEE_FLEET)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Nodes, queue, money."""
    return render(request, "fleet/overview.html", _context(request))


@needs(SEE_FLEET)
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """The part of the page that lives."""
    return render(request, "fleet/_state.html", _context(request))


@needs(OPERATE_FLEET)
@require_POST
def order(request: HttpRequest, name: str, what: str) -> HttpResponse:
    """Hold, drain or release a node."""
    if what not in _ORDERS:
        raise Http404
    give, sentence = _ORDERS[what]
    with transaction.atomic():
        node = get_object_or_404(Node, name=name)
        give(node, user_of(request).username, DATABASE_CLOCK.now())
    messages.success(request, sentence.format(name))
    return redirect("fleet:overview")


def _context(request: HttpRequest) -> dict[str, object]:
    now = DATABASE_CLOCK.now()
    return {
        "fleet": presenting.overview(now),
        "events": presenting.recent_events(),
        "price": fleet_settings().fleet_price_per_hour,
        "operates": user_of(request).has_perm(OPERATE_FLEET),
        "now": now,
        "section": "fleet",
    }

"""The operators' pages, and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from campus.accounts.access import needs, user_of
from campus.accounts.roles import OPERATE_FLEET, SEE_FLEET
from campus.fleet import metrics_door, presenting
from campus.fleet.timeline import Span
from orchestrator import fleet_control, metrics
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.cost_report import By, as_csv, cost_report
from orchestrator.fleet_control import OrderRefused
from orchestrator.models import Node
from orchestrator.months import Month, month_named, month_of

_ORDERS: dict[str, tuple[Callable[[Node, str, datetime], None], str]] = {
    "hold": (fleet_control.hold, "{} is held: it is neither woken nor shelved."),
    "drain": (fleet_control.drain, "{} finishes its job and is put to sleep until released."),
    "release": (fleet_control.release, "{} is the fleet's again."),
    "retry": (fleet_control.retry, "{} may be woken, and given work, at once."),
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
    """Hold, drain, release or retry a node."""
    if what not in _ORDERS:
        raise Http404
    give, sentence = _ORDERS[what]
    try:
        with transaction.atomic():
            node = get_object_or_404(Node, name=name)
            give(node, user_of(request).username, DATABASE_CLOCK.now())
    except OrderRefused as refused:
        messages.error(request, refused.sentence)
    else:
        messages.success(request, sentence.format(name))
    return redirect(f"{reverse('fleet:overview')}?span={_span(request.POST.get('span', ''))}")


@needs(SEE_FLEET)
@require_safe
def costs(request: HttpRequest) -> HttpResponse:
    """What a month has cost, by lesson, course, cause, or beside other months."""
    now = DATABASE_CLOCK.now()
    month, by = _asked(request, now)
    context = {
        "report": cost_report(by, month, now),
        "all_by": list(By),
        "month": month,
        "after": month.after if month.end <= now else None,
        "section": "fleet",
    }
    return render(request, "fleet/costs.html", context)


@needs(SEE_FLEET)
@require_safe
def costs_csv(request: HttpRequest) -> HttpResponse:
    """The same for a spreadsheet."""
    now = DATABASE_CLOCK.now()
    month, by = _asked(request, now)
    name = f"costs-{month.name}-by-{by}.csv"
    return HttpResponse(
        as_csv(cost_report(by, month, now)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@login_not_required
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """For Prometheus."""
    refused = metrics_door.refusal(request)
    if refused is not None:
        return refused
    text = metrics.exposition(DATABASE_CLOCK.now())
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _asked(request: HttpRequest, now: datetime) -> tuple[Month, By]:
    name, by = request.GET.get("month", ""), request.GET.get("by", By.LESSON.value)
    try:
        return month_named(name) if name else month_of(now), By(by)
    except ValueError:
        raise Http404 from None


def _span(name: str) -> Span:
    return Span(name) if name in set(Span) else Span.DAY


def _context(request: HttpRequest) -> dict[str, object]:
    now = DATABASE_CLOCK.now()
    return {
        "fleet": presenting.overview(now, _span(request.GET.get("span", ""))),
        "spans": list(Span),
        "operates": user_of(request).has_perm(OPERATE_FLEET),
        "now": now,
        "section": "fleet",
    }

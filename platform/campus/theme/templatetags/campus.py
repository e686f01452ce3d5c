"""How values are shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campus import languages, words
from campus.courses.models import Course

register = template.Library()

# Which of the style sheet's tones a state is shown in; the word itself is always shown too.
_TONES = {
    "accepted": "good", "approved": "good", "on_sale": "good", "published": "good",
    "succeeded": "good", "done": "good", "working": "good", "sent": "good", "idle": "good",
    "submitted": "busy", "queued": "busy", "processing": "busy", "in_review": "wait",
    "publishing": "busy", "running": "busy", "waking": "busy", "booting": "busy",
    "draining": "busy", "stopping": "busy", "shelving": "busy", "waiting": "busy",
    "removing": "busy", "returned": "wait", "changes_requested": "wait", "silent": "wait",
    "held": "wait", "failed": "bad", "broken": "bad", "error": "bad", "expired": "bad",
    "lost": "bad",
}  # fmt: skip


@register.filter
def language(tag: str) -> str:
    """ "es" as "Spanish"."""
    return languages.name(tag)


register.filter("clock", words.clock)
register.filter("span", words.span)
register.filter("size", words.size)


@register.filter(name="words")
def in_words(code: str) -> str:
    """A code such as `worker_ready` as people write it."""
    return str(code).replace("_", " ").lower()


@register.filter
def since(moment: datetime | None, now: datetime) -> str:
    """How long ago, as `span`."""
    return words.span((now - moment).total_seconds()) if moment else "–"


@register.filter
def money(course: Course) -> str:
    """A course's price."""
    if course.price is None:
        return "No price yet"
    return amount(course.price, course.currency)


@register.filter
def amount(value: Decimal | float, currency: str) -> str:
    """12.5 as "12.50 EUR"."""
    return "Free" if value == 0 else f"{value:,.2f} {currency}"


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """A state as a coloured word."""
    tone = _TONES.get(state, "plain")
    shown = label or state.replace("_", " ").capitalize()
    return format_html('<span class="badge badge-{}">{}</span>', tone, shown)

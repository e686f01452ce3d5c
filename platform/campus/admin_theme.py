"""How the admin looks, and what stands in its sidebar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from campus.accounts.roles import SEE_FLEET, SEE_REVIEWS


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _item(title: str, icon: str, url: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(url),
        "permission": _may(permission),
    }


def _model(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return _item(title, icon, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Dubfleet",
    "SITE_HEADER": "Dubfleet",
    "SITE_SUBHEADER": "Administration",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("campus/icon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "campus.dashboard.dashboard",
    "STYLES": [lambda _: static("campus/campus.css")],
    "SCRIPTS": [lambda _: static("campus/campus.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(96.5% .016 272)",
            "100": "oklch(93% .034 272)",
            "200": "oklch(87% .065 273)",
            "300": "oklch(78.5% .115 274)",
            "400": "oklch(67.5% .165 275)",
            "500": "oklch(58% .19 275)",
            "600": "oklch(50% .2 274)",
            "700": "oklch(44.5% .185 274)",
            "800": "oklch(38.5% .155 274)",
            "900": "oklch(34% .12 274)",
            "950": "oklch(25% .085 274)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Courses",
                "items": [
                    _model("Courses", "school", "courses", "course"),
                    _model("Lessons", "play_lesson", "courses", "lesson"),
                ],
            },
            {
                "title": "Voiceovers",
                "separator": True,
                "items": [
                    _model("Voiceovers", "record_voice_over", "voiceovers", "voiceover"),
                    _item("Review", "rate_review", "review:list", SEE_REVIEWS),
                    _model("Publications", "publish", "publishing", "publication"),
                ],
            },
            {
                "title": "Fleet",
                "separator": True,
                "items": [
                    _item("Overview", "dns", "fleet:overview", SEE_FLEET),
                    _model("Jobs", "list_alt", "orchestrator", "job"),
                    _model("Attempts", "replay", "orchestrator", "attempt"),
                    _model("Job events", "history", "orchestrator", "jobevent"),
                    _model("Nodes", "memory", "orchestrator", "node"),
                    _model("Node events", "timeline", "orchestrator", "nodeevent"),
                    _model("Cloud operations", "cloud_sync", "orchestrator", "cloudoperation"),
                    _model("Ledger", "receipt_long", "orchestrator", "ledgerentry"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [_model("Users", "group", "accounts", "user")],
            },
        ],
    },
}

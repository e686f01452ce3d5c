"""What the menu shows to whom."""

from __future__ import annotations

from django.http import HttpRequest

from campus.accounts.models import User
from campus.accounts.roles import OWN_COURSES, SEE_FLEET, SEE_REVIEWS


def menu(request: HttpRequest) -> dict[str, object]:
    """Which parts of the site this person gets to."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"perms_of": {}}
    return {
        "perms_of": {
            "own_courses": user.has_perm(OWN_COURSES),
            "review": user.has_perm(SEE_REVIEWS),
            "fleet": user.has_perm(SEE_FLEET),
        }
    }

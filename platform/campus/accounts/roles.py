"""Roles, and the one table of what each may do. Pure."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Everybody has exactly one."""

    PARTNER = "partner"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    OPS = "ops"


STAFF = frozenset({Role.ADMIN, Role.OPS})
"""Who gets into the admin."""

OWN_COURSES = "courses.own"
DECIDE_COURSES = "courses.decide"
SELL_COURSES = "courses.sell"
GENERATE = "voiceovers.generate"
CANCEL = "voiceovers.cancel"
SEE_REVIEWS = "review.view"
DECIDE_REVIEWS = "review.decide"
PUBLISH = "publishing.publish"
SEE_FLEET = "fleet.view"
OPERATE_FLEET = "fleet.operate"

_SEE_DUBS = frozenset(
    {
        "voiceovers.view_voiceover",
        "voiceovers.view_voiceoverevent",
        "publishing.view_publication",
        "courses.view_course",
        "courses.view_courseevent",
        "courses.view_lesson",
        "courses.view_lessonsubtitles",
    }
)
_SEE_MACHINERY = frozenset(
    f"orchestrator.view_{model}"
    for model in (
        "attempt",
        "cloudoperation",
        "job",
        "jobevent",
        "ledgerentry",
        "node",
        "nodeevent",
    )
)

PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.PARTNER: frozenset({OWN_COURSES}),
    Role.REVIEWER: frozenset({SEE_REVIEWS, DECIDE_REVIEWS}),
    Role.ADMIN: _SEE_DUBS
    | {
        DECIDE_COURSES,
        SELL_COURSES,
        GENERATE,
        CANCEL,
        SEE_REVIEWS,
        DECIDE_REVIEWS,
        PUBLISH,
        SEE_FLEET,
        "courses.delete_course",
        "courses.delete_lesson",
        "accounts.view_user",
        "accounts.add_user",
        "accounts.change_user",
        "orchestrator.view_job",
    },
    Role.OPS: _SEE_DUBS | _SEE_MACHINERY | {SEE_FLEET, OPERATE_FLEET},
}


def allows(role: Role, permission: str) -> bool:
    """Whether people of this role may do it."""
    return permission in PERMISSIONS[role]

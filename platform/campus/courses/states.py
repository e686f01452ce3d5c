"""The states of a course, and which may follow which. Pure."""

from __future__ import annotations

from enum import StrEnum


class CourseState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    """An admin wants something changed, and said what."""
    ACCEPTED = "accepted"
    ON_SALE = "on_sale"


TRANSITIONS: dict[CourseState, frozenset[CourseState]] = {
    CourseState.DRAFT: frozenset({CourseState.SUBMITTED}),
    CourseState.SUBMITTED: frozenset({CourseState.ACCEPTED, CourseState.RETURNED}),
    CourseState.RETURNED: frozenset({CourseState.SUBMITTED}),
    CourseState.ACCEPTED: frozenset({CourseState.ON_SALE}),
    CourseState.ON_SALE: frozenset({CourseState.ACCEPTED}),
}

EDITABLE = frozenset({CourseState.DRAFT, CourseState.RETURNED})
"""The partner's lessons may change: nobody has built on them yet."""

SETTLED = frozenset({CourseState.ACCEPTED, CourseState.ON_SALE})
"""Its lessons may be dubbed."""

LABELS = {
    CourseState.DRAFT: "Draft",
    CourseState.SUBMITTED: "Waiting for review",
    CourseState.RETURNED: "Returned",
    CourseState.ACCEPTED: "Accepted",
    CourseState.ON_SALE: "On sale",
}

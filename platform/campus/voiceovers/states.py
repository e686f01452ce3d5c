"""The states of a voiceover, and which may follow which. Pure."""

from __future__ import annotations

from enum import StrEnum


class VoiceoverState(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = VoiceoverState

TRANSITIONS: dict[VoiceoverState, frozenset[VoiceoverState]] = {
    _S.QUEUED: frozenset({_S.PROCESSING, _S.FAILED, _S.CANCELLED}),
    _S.PROCESSING: frozenset({_S.QUEUED, _S.IN_REVIEW, _S.FAILED, _S.CANCELLED}),
    _S.IN_REVIEW: frozenset({_S.APPROVED, _S.CHANGES_REQUESTED, _S.CANCELLED}),
    _S.CHANGES_REQUESTED: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.APPROVED: frozenset({_S.PUBLISHING, _S.CHANGES_REQUESTED, _S.CANCELLED}),
    _S.PUBLISHING: frozenset({_S.PUBLISHED, _S.FAILED, _S.CANCELLED}),
    _S.PUBLISHED: frozenset({_S.APPROVED, _S.CANCELLED}),
    # A dub that could not be published is still approved: it goes on from there, or is sent back.
    _S.FAILED: frozenset({_S.QUEUED, _S.APPROVED, _S.CHANGES_REQUESTED, _S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.QUEUED}),
}

UNDER_WAY = frozenset({_S.QUEUED, _S.PROCESSING})
"""A job is at it: its progress is worth looking at."""

RETRIABLE = frozenset({_S.FAILED, _S.CANCELLED, _S.CHANGES_REQUESTED})
"""May be sent to the queue again."""

LABELS = {
    _S.QUEUED: "Queued",
    _S.PROCESSING: "In production",
    _S.IN_REVIEW: "Waiting for review",
    _S.CHANGES_REQUESTED: "Changes requested",
    _S.APPROVED: "Approved",
    _S.PUBLISHING: "Being published",
    _S.PUBLISHED: "Published",
    _S.FAILED: "Failed",
    _S.CANCELLED: "Cancelled",
}

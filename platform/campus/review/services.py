"""Deciding about a dub. The dub that was looked at is part of every decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.notifications.services import Note, tell_roles
from campus.publishing.services import TICK_TASK
from campus.queues import ring_after_commit
from campus.reasons import tidy_reason
from campus.refusals import Refused
from campus.voiceovers import services as voiceovers
from campus.voiceovers.models import Utterance, Voiceover
from campus.voiceovers.states import VoiceoverState
from gpu_node.contracts.dub import DubOutput
from orchestrator import blobs

_REVIEW = VoiceoverState.IN_REVIEW
LOST = "The dub's file is no longer in storage: request changes, then have it made again."
_ANOTHER_DUB = "This lesson was dubbed again since you opened the page: reload it and look again."


def keep_original(line: Utterance, keep: bool, by: User, now: datetime) -> None:
    """Say that the original may be heard where a line could not be spoken, or take it back.

    Raises Refused.
    """
    with transaction.atomic():
        # The voiceover's row orders us against somebody who approves at the same time.
        voiceover = Voiceover.objects.select_for_update().get(pk=line.voiceover_id)
        if voiceover.current_state is not _REVIEW:
            raise Refused(_not_in_review(voiceover))
        decided = {"decided_by": by, "decided_at": now} if keep else _UNDECIDED
        lines = Utterance.objects.filter(pk=line.pk).exclude(blocker="")
        if not lines.update(keep_original=keep, **decided):
            raise Refused("There is nothing to decide about this line.")
    line.refresh_from_db()


_UNDECIDED: dict[str, None] = {"decided_by": None, "decided_at": None}


def approve(voiceover: Voiceover, dub: UUID, by: User, now: datetime) -> None:
    """Good enough to be published: it is, from here on. Raises Refused."""
    with transaction.atomic():
        voiceover = Voiceover.objects.select_for_update().get(pk=voiceover.pk)
        _require(voiceover, dub)
        if lost(voiceover):
            raise Refused(LOST)
        if left := undecided(voiceover):
            raise Refused(
                f"{left} line{'s' if left > 1 else ''} could not be spoken: "
                f"decide about {'each' if left > 1 else 'it'} before you approve."
            )
        approved: dict[str, Any] = {"approved_by": by, "approved_at": now, "withheld": False}
        new = VoiceoverState.APPROVED
        if not voiceovers.move(voiceover, _REVIEW, new, now, by=by, where={"job": dub}, **approved):
            raise Refused(_not_in_review(voiceover))
        ring_after_commit(TICK_TASK)


def request_changes(voiceover: Voiceover, dub: UUID, reason: str, by: User, now: datetime) -> None:
    """Not good enough, and why. Raises Refused."""
    reason = tidy_reason(reason, "Write what has to be changed.")
    with transaction.atomic():
        voiceover = Voiceover.objects.select_for_update().get(pk=voiceover.pk)
        old = voiceover.current_state
        if not off_the_host(voiceover):
            _require(voiceover, dub)
        new = VoiceoverState.CHANGES_REQUESTED
        where = {"job": dub}
        if not voiceovers.move(voiceover, old, new, now, by=by, sentence=reason, where=where):
            raise Refused(_ANOTHER_DUB)
        note = Note(
            key=f"changes-requested:{dub}",
            title=f"Changes requested: {voiceover.lesson_title}",
            text=reason,
            path=reverse("voiceovers:page", args=[voiceover.pk]),
        )
        tell_roles([Role.ADMIN], note, now)


def off_the_host(voiceover: Voiceover) -> bool:
    """Approved once, yet taken down or never published: it may still be sent back."""
    withheld = voiceover.current_state is VoiceoverState.APPROVED and voiceover.withheld
    return withheld or voiceover.reason == voiceovers.PUBLISHING_FAILED


def lost(voiceover: Voiceover) -> bool:
    """Whether the dub's video is not in storage any more."""
    video = voiceover.job.outputs().get(DubOutput.VIDEO)
    return video is None or not blobs.have([video.digest])


def undecided(voiceover: Voiceover) -> int:
    """How many lines still need a decision."""
    return voiceover.utterances.exclude(blocker="").filter(keep_original=False).count()


def _require(voiceover: Voiceover, dub: UUID) -> None:
    if voiceover.current_state is not _REVIEW:
        raise Refused(_not_in_review(voiceover))
    if voiceover.job_id != dub:
        raise Refused(_ANOTHER_DUB)


def _not_in_review(voiceover: Voiceover) -> str:
    last = voiceover.events.select_related("by").last()
    who = f" ({last.by})" if last is not None and last.by is not None else ""
    return (
        "It is not waiting for review any more: somebody else was faster"
        f"{who}. It is now “{voiceover.get_state_display()}”."
    )

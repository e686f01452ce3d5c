"""Bringing approved dubs to the video host, step by step.

`tick` reads what is and does what is missing; it can be killed between any two statements and run
twice at once. Nothing talks to the host inside a transaction: a step claims its row, talks, and
writes the outcome if the row is still its own.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.languages import name
from campus.notifications.services import Note, tell, tell_roles
from campus.publishing import sales
from campus.publishing.models import Publication
from campus.publishing.port import HostState, HostUnavailable, Upload, VideoHost
from campus.publishing.states import TRANSITIONS, PublicationState, backoff
from campus.queues import ring_after_commit
from campus.refusals import Refused
from campus.voiceovers import services as voiceovers
from campus.voiceovers.models import Voiceover
from campus.voiceovers.states import VoiceoverState
from gpu_node.contracts.dub import DubOutput
from orchestrator import blobs

log = logging.getLogger(__name__)

TICK_TASK = "campus.publishing.tick"

_CLAIM = timedelta(minutes=15)
_ACTIVE = [
    PublicationState.WAITING,
    PublicationState.PROCESSING,
    PublicationState.REMOVING,
]
_LIVE = [
    PublicationState.WAITING,
    PublicationState.PROCESSING,
    PublicationState.DONE,
    PublicationState.FAILED,
]
_RESTARTABLE = [PublicationState.FAILED, PublicationState.REMOVED]
_WANTED = [VoiceoverState.PUBLISHING, VoiceoverState.PUBLISHED]
_Clock = Callable[[], datetime]


def tick(host: VideoHost, clock: _Clock) -> None:
    """One round: start what was approved, retire what is not wanted, move on what is under way."""
    now = clock()
    _start_approved(now)
    _retire_unwanted(now)
    due = Publication.objects.filter(state__in=_ACTIVE, not_before__lte=now)
    for publication in due.select_related("voiceover").order_by("pk"):
        if _claim(publication, clock()):
            _step(publication, host, clock)
    sales.withdraw(clock())
    sales.offer(clock())


def unpublish(voiceover: Voiceover, by: User, now: datetime) -> None:
    """Take it off the video host; it stays approved. Raises Refused."""
    with transaction.atomic():
        published, approved = VoiceoverState.PUBLISHED, VoiceoverState.APPROVED
        if not voiceovers.move(voiceover, published, approved, now, by=by, withheld=True):
            voiceover.refresh_from_db()
            raise Refused(f"It is not published: it is “{voiceover.get_state_display()}”.")
        _retire_unwanted(now)
        sales.withdraw(now)
        ring_after_commit(TICK_TASK)


def publish(voiceover: Voiceover, by: User, now: datetime) -> None:
    """Publish what was taken off or could not be published. Raises Refused."""
    with transaction.atomic():
        voiceover.refresh_from_db()
        if voiceover.current_state is VoiceoverState.FAILED:
            failed = {"reason": voiceovers.PUBLISHING_FAILED}
            _must_move(voiceover, VoiceoverState.FAILED, VoiceoverState.APPROVED, now, by, failed)
        rows = Voiceover.objects.filter(pk=voiceover.pk, state=VoiceoverState.APPROVED)
        if not rows.update(withheld=False):
            raise Refused(f"It cannot be published: it is “{voiceover.get_state_display()}”.")
        ring_after_commit(TICK_TASK)


def _must_move(
    voiceover: Voiceover,
    old: VoiceoverState,
    new: VoiceoverState,
    now: datetime,
    by: User,
    where: dict[str, Any],
) -> None:
    if not voiceovers.move(voiceover, old, new, now, by=by, where=where):
        raise Refused(f"It cannot be published: it is “{voiceover.get_state_display()}”.")


def _start_approved(now: datetime) -> None:
    approved = Voiceover.objects.filter(state=VoiceoverState.APPROVED, withheld=False)
    for voiceover in approved:
        with transaction.atomic():
            _start(voiceover, now)
    # Retired in the very moment it was wanted again.
    Publication.objects.filter(
        state=PublicationState.REMOVED,
        voiceover__state=VoiceoverState.PUBLISHING,
        voiceover__job=F("job"),
    ).update(**_afresh(now))


def _start(voiceover: Voiceover, now: datetime) -> None:
    dub = {"voiceover": voiceover, "job_id": voiceover.job_id}
    publication = Publication.objects.select_for_update().filter(**dub).first()
    if publication is not None and publication.state not in _RESTARTABLE:
        # Still being taken down: a later round will find it gone.
        return
    where = {"withheld": False, "job_id": voiceover.job_id}
    approved, publishing = VoiceoverState.APPROVED, VoiceoverState.PUBLISHING
    if not voiceovers.move(voiceover, approved, publishing, now, where=where):
        return
    if publication is None:
        Publication.objects.create(**dub, not_before=now, created_at=now)
    else:
        Publication.objects.filter(pk=publication.pk).update(**_afresh(now))


def _afresh(now: datetime) -> dict[str, Any]:
    return {
        "state": PublicationState.WAITING,
        "not_before": now,
        "tries": 0,
        "sentence": "",
        "progress": 0.0,
        "claim": "",
        "claimed_until": None,
    }


def _retire_unwanted(now: datetime) -> None:
    """What is on the host, or on its way there, and should not be: also after a lesson's end."""
    wanted = Q(voiceover__state__in=_WANTED, voiceover__job=F("job"))
    # One that could not be published has nothing there, and waits for a person's word.
    waits = Q(
        state=PublicationState.FAILED,
        voiceover__state__in=[VoiceoverState.FAILED, VoiceoverState.APPROVED],
    )
    Publication.objects.filter(state__in=_LIVE).exclude(wanted).exclude(waits).update(
        state=PublicationState.REMOVING, not_before=now, tries=0
    )


def _claim(publication: Publication, now: datetime) -> bool:
    """Become the one process that talks to the host about this."""
    token = secrets.token_hex(16)
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    rows = Publication.objects.filter(free, pk=publication.pk, state=publication.state)
    if rows.update(claim=token, claimed_until=now + _CLAIM) != 1:
        return False
    publication.claim = token
    return True


def _step(publication: Publication, host: VideoHost, clock: _Clock) -> None:
    steps = {
        PublicationState.WAITING: _upload,
        PublicationState.PROCESSING: _look,
        PublicationState.REMOVING: _remove,
    }
    try:
        steps[PublicationState(publication.state)](publication, host, clock)
    except HostUnavailable as error:
        _try_later(publication, str(error), clock())
    except FileNotFoundError:
        _give_up(publication, "The dub's file is no longer in storage.", clock())
    except Exception:  # one that cannot be published must not keep the others from it
        log.exception("publication %s", publication.pk)
        _try_later(
            publication, "Something went wrong here: an operator sees it in the log.", clock()
        )
    finally:
        # Also when the row became something else while we talked to the host.
        Publication.objects.filter(pk=publication.pk, claim=publication.claim).update(
            claim="", claimed_until=None
        )


def _upload(publication: Publication, host: VideoHost, clock: _Clock) -> None:
    voiceover = publication.voiceover
    outputs = publication.job.outputs()
    if DubOutput.VIDEO not in outputs:
        raise FileNotFoundError(DubOutput.VIDEO)
    tracks = {
        voiceover.target_language: DubOutput.TARGET_VTT,
        voiceover.source_language: DubOutput.SOURCE_VTT,
    }
    host_id = host.upload(
        Upload(
            key=publication.key,
            title=voiceover.lesson_title,
            language=voiceover.target_language,
            video=blobs.open_blob(outputs[DubOutput.VIDEO].digest),
            subtitles={
                language: blobs.open_blob(outputs[output].digest)
                for language, output in tracks.items()
                if output in outputs
            },
        )
    )
    _write(publication, clock(), PublicationState.PROCESSING, host_id=host_id)


def _look(publication: Publication, host: VideoHost, clock: _Clock) -> None:
    status = host.status(publication.host_id)
    now = clock()
    if status.state is HostState.PROCESSING:
        _write(publication, now, None, progress=status.progress)
    elif status.state is HostState.DONE:
        _published(publication, now)
    else:
        # What the host found wrong stays wrong under the same id: it has to be taken anew.
        host.remove(publication.host_id)
        _try_later(publication, status.sentence, now)


def _remove(publication: Publication, host: VideoHost, clock: _Clock) -> None:
    # The id may never have been written down: a crash right after the upload.
    host_id = publication.host_id or host.find(publication.key)
    if host_id:
        host.remove(host_id)
    _write(publication, clock(), PublicationState.REMOVED, host_id="")


def _published(publication: Publication, now: datetime) -> None:
    voiceover = publication.voiceover
    with transaction.atomic():
        done = {"progress": 1.0, "published_at": now}
        if not _write(publication, now, PublicationState.DONE, **done):
            return
        publishing, published = VoiceoverState.PUBLISHING, VoiceoverState.PUBLISHED
        where = {"job_id": publication.job_id}
        if not voiceovers.move(voiceover, publishing, published, now, where=where):
            return
        if voiceover.lesson is not None:
            note = Note(
                key=f"published:{publication.pk}:{voiceover.events.count()}",
                title=f"Published: {voiceover.lesson_title} in {name(voiceover.target_language)}",
                path=reverse("courses:edit", args=[voiceover.lesson.course_id]),
            )
            tell([voiceover.lesson.course.owner], note, now)


def _try_later(publication: Publication, sentence: str, now: datetime) -> None:
    log.warning("publication %s: %s", publication.pk, sentence)
    tries = publication.tries + 1
    delay = backoff(tries)
    state = PublicationState(publication.state)
    if state is PublicationState.REMOVING:
        # Nothing but being gone will do, so this is tried for ever.
        later = now + (delay or backoff(tries=1) or timedelta()) * 10
        _write(publication, now, None, tries=tries, sentence=sentence, not_before=later)
    elif delay is None:
        _give_up(publication, sentence, now)
    else:
        again = PublicationState.WAITING if state is not PublicationState.WAITING else None
        changes = {"tries": tries, "sentence": sentence, "not_before": now + delay}
        _write(publication, now, again, **changes)


def _give_up(publication: Publication, sentence: str, now: datetime) -> None:
    with transaction.atomic():
        if not _write(publication, now, PublicationState.FAILED, sentence=sentence):
            return
        voiceover = publication.voiceover
        publishing, failed = VoiceoverState.PUBLISHING, VoiceoverState.FAILED
        moved = voiceovers.move(
            voiceover,
            publishing,
            failed,
            now,
            sentence=sentence,
            reason=voiceovers.PUBLISHING_FAILED,
            where={"job_id": publication.job_id},
        )
        if not moved:
            return
        note = Note(
            key=f"not-published:{publication.pk}:{voiceover.events.count()}",
            title=f"Not published: {voiceover.lesson_title} in {name(voiceover.target_language)}",
            text=sentence,
            path=reverse("voiceovers:page", args=[voiceover.pk]),
        )
        tell_roles([Role.ADMIN], note, now)


def _write(
    publication: Publication, now: datetime, new: PublicationState | None, **changes: Any
) -> bool:
    """Write a step's outcome and give the claim back, if the row is still ours and as it was."""
    old = PublicationState(publication.state)
    if new is not None and new not in TRANSITIONS[old]:
        raise ValueError(f"a publication does not go from {old} to {new}")
    changes |= {"claim": "", "claimed_until": None, "state": new or old}
    changes.setdefault("not_before", now)
    rows = Publication.objects.filter(pk=publication.pk, state=old, claim=publication.claim)
    return rows.update(**changes) == 1

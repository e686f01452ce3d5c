"""Approved dubs reach the video host, whatever happens on the way."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from campus.notifications.models import Notice
from campus.publishing import services
from campus.publishing.models import Publication
from campus.publishing.states import MOST_TRIES, backoff
from campus.refusals import Refused
from campus.review import services as review
from campus.voiceovers import services as voiceovers
from campus.voiceovers.models import Voiceover
from campus.voiceovers.services import PUBLISHING_FAILED
from orchestrator.blobs import storage
from tests.campus.making import now
from tests.campus.people import People
from tests.campus.publishing.hosting import TroubledHost


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        at: datetime = now() + self.ahead
        return at


@pytest.fixture
def later() -> Later:
    return Later()


def states(voiceover: Voiceover) -> tuple[str, str]:
    voiceover.refresh_from_db()
    publication = Publication.objects.filter(voiceover=voiceover).first()
    return voiceover.state, publication.state if publication else ""


def test_published_only_once_the_host_is_done(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    host._processing_seconds = 10
    services.tick(host, later)
    services.tick(host, later)
    assert states(approved) == ("publishing", "processing")
    host.time += 5
    services.tick(host, later)
    assert Publication.objects.get().progress == 0.5
    host.time += 5
    services.tick(host, later)
    assert states(approved) == ("published", "done")
    assert host.uploads == 1


def test_the_partner_is_told_once(
    people: People, approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    for _ in range(4):
        services.tick(host, later)
    told = Notice.objects.filter(key__startswith="published")
    assert [notice.user for notice in told] == [people.partner]
    assert told[0].title == "Published: Lesson 1 in Spanish"


def test_a_host_that_is_away_is_asked_again_ever_later(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    host.away = True
    services.tick(host, later)
    services.tick(host, later)
    assert host.uploads == 1
    assert states(approved) == ("publishing", "waiting")
    assert Publication.objects.get().sentence == "The video host does not answer."
    host.away = False
    later.ahead += timedelta(seconds=11)
    services.tick(host, later)
    services.tick(host, later)
    assert states(approved) == ("published", "done")


def give_up(host: TroubledHost, later: Later) -> None:
    host.away = True
    for _ in range(MOST_TRIES):
        services.tick(host, later)
        later.ahead += timedelta(hours=1)


def test_in_the_end_it_fails_with_a_reason(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    give_up(host, later)
    assert host.uploads == MOST_TRIES
    assert states(approved) == ("failed", "failed")
    assert approved.sentence == "The video host does not answer."
    assert approved.reason == PUBLISHING_FAILED


def test_and_can_be_tried_again(
    people: People, approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    give_up(host, later)
    host.away = False
    approved.refresh_from_db()
    services.publish(approved, people.admin, later())
    assert states(approved) == ("approved", "failed")
    services.tick(host, later)
    services.tick(host, later)
    assert states(approved) == ("published", "done")


def test_what_the_host_finds_wrong_is_taken_anew(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    host.finds_wrong = "The sound is missing."
    services.tick(host, later)
    services.tick(host, later)
    assert states(approved) == ("publishing", "waiting")
    assert host.videos() == set()
    host.finds_wrong = ""
    later.ahead += timedelta(seconds=11)
    services.tick(host, later)
    services.tick(host, later)
    assert states(approved) == ("published", "done")


def test_a_dub_whose_file_is_gone_fails_at_once(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    storage().remove(approved.job.outputs()["video"].digest)
    services.tick(host, later)
    assert states(approved) == ("failed", "failed")
    assert "no longer in storage" in approved.sentence


def test_one_that_goes_wrong_keeps_no_other_from_it(
    approved: Voiceover, host: TroubledHost, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(services, "_upload", broken)
    services.tick(host, later)
    assert states(approved) == ("publishing", "waiting")
    assert "an operator sees it" in Publication.objects.get().sentence


def test_taking_it_off_and_putting_it_back(
    people: People, approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    services.tick(host, later)
    services.tick(host, later)
    approved.refresh_from_db()
    services.unpublish(approved, people.admin, later())
    assert states(approved) == ("approved", "removing")
    for _ in range(3):
        services.tick(host, later)
    assert states(approved) == ("approved", "removed")
    assert host.videos() == set()
    services.publish(approved, people.admin, later())
    for _ in range(3):
        services.tick(host, later)
    assert states(approved) == ("published", "done")
    with pytest.raises(Refused, match="It cannot be published"):
        services.publish(approved, people.admin, later())


def test_what_is_not_published_is_not_taken_off(
    people: People, approved: Voiceover, later: Later
) -> None:
    with pytest.raises(Refused, match="It is not published: it is “Approved”"):
        services.unpublish(approved, people.admin, later())


def test_a_lessons_end_takes_its_dub_down(
    approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    services.tick(host, later)
    services.tick(host, later)
    approved.refresh_from_db()
    assert approved.lesson is not None
    approved.lesson.delete()
    services.tick(host, later)
    assert states(approved) == ("cancelled", "removed")
    assert host.videos() == set()


def test_a_removal_is_tried_for_ever(
    people: People, approved: Voiceover, host: TroubledHost, later: Later
) -> None:
    services.tick(host, later)
    services.tick(host, later)
    approved.refresh_from_db()
    services.unpublish(approved, people.admin, later())
    host.away = True
    for _ in range(MOST_TRIES * 2):
        services.tick(host, later)
        later.ahead += timedelta(days=1)
    assert states(approved) == ("approved", "removing")
    host.away = False
    services.tick(host, later)
    assert states(approved) == ("approved", "removed")


def test_subtitles_are_published_too(approved: Voiceover, host: TroubledHost, later: Later) -> None:
    services.tick(host, later)
    about = host.about(Publication.objects.get().host_id)
    assert about is not None
    assert (about.title, about.language, about.subtitles) == ("Lesson 1", "es", ("es",))


def test_the_wait_grows_and_ends() -> None:
    waits = [backoff(tries) for tries in range(1, MOST_TRIES + 1)]
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert waits[-1] is None


def test_admins_are_told_of_one_that_could_not_be_published(
    approved: Voiceover, host: TroubledHost, later: Later, people: People
) -> None:
    storage().remove(approved.job.outputs()["video"].digest)
    services.tick(host, later)
    services.tick(host, later)
    told = Notice.objects.get(key__startswith="not-published:")
    assert (told.user, told.text) == (people.admin, "The dub's file is no longer in storage.")


def test_one_whose_file_is_gone_can_be_sent_back_and_made_again(
    approved: Voiceover, host: TroubledHost, later: Later, people: People
) -> None:
    storage().remove(approved.job.outputs()["video"].digest)
    services.tick(host, later)
    approved.refresh_from_db()
    review.request_changes(approved, approved.job_id, "Its file is lost.", people.admin, now())
    services.tick(host, later)
    assert states(approved) == ("changes_requested", "removed")
    voiceovers.retry(approved, people.admin, now())
    assert approved.state == "queued"

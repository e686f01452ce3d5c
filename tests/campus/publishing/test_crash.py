"""The publisher dies between any two steps: nothing is left lying about, nothing is there twice."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campus.notifications.models import Notice
from campus.publishing import services
from campus.publishing.models import Publication
from campus.refusals import Refused
from campus.voiceovers.models import Voiceover
from tests.campus.making import now
from tests.campus.people import People
from tests.campus.publishing.hosting import Killed, TroubledHost

LONG = timedelta(hours=1)


def tick(host: TroubledHost, ahead: timedelta = LONG * 0) -> None:
    services.tick(host, lambda: now() + ahead)


def test_dying_between_the_upload_and_its_record(approved: Voiceover, host: TroubledHost) -> None:
    host.dies_after = "upload"
    with pytest.raises(Killed):
        tick(host)
    assert Publication.objects.get().host_id == ""
    assert len(host.videos()) == 1
    for hour in range(1, 4):
        tick(host, LONG * hour)
    approved.refresh_from_db()
    assert approved.state == "published"
    assert host.videos() == {Publication.objects.get().host_id}
    assert host.junk() == set()


def test_dying_there_and_the_lesson_is_deleted(approved: Voiceover, host: TroubledHost) -> None:
    host.dies_after = "upload"
    with pytest.raises(Killed):
        tick(host)
    assert approved.lesson is not None
    approved.lesson.delete()
    for hour in range(1, 4):
        tick(host, LONG * hour)
    assert Publication.objects.get().state == "removed"
    assert host.videos() == set()


def test_dying_in_the_middle_of_the_upload(
    approved: Voiceover, host: TroubledHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("campus.publishing.embedded_host._write", half)
        with pytest.raises(Killed):
            tick(host)
    assert (len(host.videos()), len(host.junk())) == (0, 1)
    tick(host, LONG)
    tick(host, LONG * 2)
    approved.refresh_from_db()
    assert approved.state == "published"
    assert host.junk() == set()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    troubles=st.lists(
        st.sampled_from(["upload", "status", "remove", "away", "unpublish", "publish", "none"]),
        max_size=10,
    )
)
def test_any_series_of_troubles_ends_well(
    people: People, approved: Voiceover, host: TroubledHost, troubles: list[str]
) -> None:
    ahead = LONG
    for trouble in troubles:
        host.away = trouble == "away"
        host.dies_after = trouble if trouble in ("upload", "status", "remove") else ""
        try:
            act = {"unpublish": services.unpublish, "publish": services.publish}.get(trouble)
            if act is not None:
                act(Voiceover.objects.get(pk=approved.pk), people.admin, now() + ahead)
            tick(host, ahead)
        except (Killed, Refused):
            pass
        ahead += LONG
    host.away, host.dies_after = False, ""
    approved.refresh_from_db()
    if approved.state == "failed" or approved.withheld:
        services.publish(approved, people.admin, now() + ahead)
    for _ in range(6):
        tick(host, ahead)
        ahead += LONG
    approved.refresh_from_db()
    publication = Publication.objects.get()
    assert (approved.state, publication.state) == ("published", "done")
    assert host.videos() == {publication.host_id}
    assert host.junk() == set()
    # The next example begins with the same approved dub.
    Publication.objects.all().delete()
    Notice.objects.all().delete()
    Voiceover.objects.filter(pk=approved.pk).update(state="approved", withheld=False)
    shutil.rmtree(host._root)

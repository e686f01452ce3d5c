"""What the world sees: published videos, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from campus.courses.models import Course
from campus.publishing import services
from campus.publishing.models import Publication
from campus.voiceovers.models import Voiceover
from tests.campus.making import TARGET_VTT, accepted, now
from tests.campus.people import People
from tests.campus.publishing.hosting import TroubledHost


@pytest.fixture
def stranger() -> Client:
    return Client()


@pytest.fixture
def shown(approved: Voiceover, host: TroubledHost) -> str:
    """The id of a published video, whose course is on sale."""
    for _ in range(2):
        services.tick(host, now)
    return Publication.objects.get().host_id


def test_anybody_watches_what_is_published(stranger: Client, shown: str, video: Path) -> None:
    page = stranger.get(f"/watch/{shown}/").content.decode()
    assert f"/watch/{shown}/video.mp4" in page
    part = stranger.get(f"/watch/{shown}/video.mp4", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.getvalue()) == (206, video.read_bytes()[5:10])
    track = stranger.get(f"/watch/{shown}/es.vtt")
    assert track.getvalue() == TARGET_VTT


def test_what_is_not_done_yet_is_not_shown(
    stranger: Client, approved: Voiceover, host: TroubledHost
) -> None:
    services.tick(host, now)
    host_id = Publication.objects.get().host_id
    for page in ("", "video.mp4", "es.vtt"):
        assert stranger.get(f"/watch/{host_id}/{page}").status_code == 404


def test_what_was_taken_off_is_gone_at_once(people: People, stranger: Client, shown: str) -> None:
    services.unpublish(Voiceover.objects.get(), people.admin, now())
    for page in ("", "video.mp4", "es.vtt"):
        assert stranger.get(f"/watch/{shown}/{page}").status_code == 404


@pytest.mark.parametrize("page", ["about.json", "ru.vtt", "..%2f..%2fx.vtt", "%2e%2e/video.mp4"])
def test_nothing_else_is_served(stranger: Client, shown: str, page: str) -> None:
    assert stranger.get(f"/watch/{shown}/{page}").status_code == 404


def test_an_unknown_video_is_not_there(stranger: Client, db: None) -> None:
    assert stranger.get("/watch/nonsense/").status_code == 404


def test_the_catalogue_lists_what_is_on_sale(
    people: People, stranger: Client, shown: str, video: Path
) -> None:
    accepted(people, video, title="Not yet for sale")
    page = stranger.get("/").content.decode()
    assert "Speech" in page
    assert "49.00 EUR" in page
    assert "Spanish" in page
    assert "Not yet for sale" not in page


def test_an_empty_catalogue_says_so(stranger: Client, db: None) -> None:
    assert b"nothing on sale yet" in stranger.get("/").content


def test_a_courses_page_has_a_preview(stranger: Client, shown: str) -> None:
    course = Course.objects.get()
    page = stranger.get(f"/catalogue/{course.pk}/").content.decode()
    assert f"/watch/{shown}/video.mp4" in page
    assert "Lesson 1" in page


def test_payment_is_somebody_elses(stranger: Client, shown: str) -> None:
    course = Course.objects.get()
    page = stranger.get(f"/catalogue/{course.pk}/buy/").content.decode()
    assert "Payment is not part of this system" in page


def test_what_is_not_on_sale_is_not_in_the_catalogue(
    people: People, stranger: Client, video: Path
) -> None:
    course = accepted(people, video)
    for page in ("", "buy/"):
        assert stranger.get(f"/catalogue/{course.pk}/{page}").status_code == 404

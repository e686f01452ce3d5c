"""The review page: side by side, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from campus.review import presenting
from campus.voiceovers.models import Utterance, Voiceover
from campus.voiceovers.services import PUBLISHING_FAILED
from orchestrator.blobs import storage
from orchestrator.models import Node
from tests.campus.conftest import Browser
from tests.campus.making import TARGET_VTT, asked, dubbed
from tests.campus.people import People


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.reviewer)


@pytest.fixture
def made(people: People, video: Path, node: Node) -> Voiceover:
    return dubbed(asked(people, video), node, video, blockers=1)


def test_what_waits_is_listed(client: Client, made: Voiceover) -> None:
    page = client.get("/review/").content.decode()
    assert f"/review/{made.pk}/" in page
    assert "1 line to decide" in page


def test_nothing_waits_at_first(client: Client) -> None:
    assert b"Nothing waits for review." in client.get("/review/").content


def test_the_page_has_both_videos_and_every_line(client: Client, made: Voiceover) -> None:
    page = client.get(f"/review/{made.pk}/").content.decode()
    assert f"/review/lessons/{made.lesson_id}/video" in page
    assert f"/review/{made.pk}/files/dub" in page
    assert f"/review/{made.pk}/files/target_vtt" in page
    for words in ("Line 1.", "Línea 1.", "sped up 1.24×", "late 0.4 s", "there are 0.9 s for it"):
        assert words in page
    assert page.count("data-flagged") == 3


def test_markup_in_a_line_stays_text(client: Client, made: Voiceover) -> None:
    made.utterances.update(target="<img src=x onerror=alert(1)>")
    assert b"<img" not in client.get(f"/review/{made.pk}/").content


def test_a_dub_under_way_is_shown_where_it_can_be_watched(
    people: People, video: Path, client: Client
) -> None:
    made = asked(people, video)
    assert client.get(f"/review/{made.pk}/")["Location"] == f"/voiceovers/{made.pk}/"


def test_after_the_lessons_end_the_dub_can_still_be_seen(client: Client, made: Voiceover) -> None:
    assert made.lesson is not None
    made.lesson.delete()
    page = client.get(f"/review/{made.pk}/").content.decode()
    assert "The lesson was deleted" in page
    assert "Approve</button>" not in page


def test_the_dub_is_served_in_parts(client: Client, made: Voiceover, video: Path) -> None:
    page = f"/review/{made.pk}/files/dub"
    part = client.get(page, headers={"range": "bytes=0-99"})
    assert (part.status_code, part.getvalue()) == (206, video.read_bytes()[:100])
    assert part["Content-Type"] == "video/mp4"
    assert part["Cache-Control"] == "private, no-cache"
    assert client.head(page)["Content-Length"] == str(video.stat().st_size)


def test_subtitles_are_served(client: Client, made: Voiceover) -> None:
    page = client.get(f"/review/{made.pk}/files/target_vtt")
    assert page.getvalue() == TARGET_VTT
    assert page["Content-Type"].startswith("text/vtt")


@pytest.mark.parametrize("what", ["source_vtt", "audio", "..", "video"])
def test_what_is_no_file_of_the_dub_is_not_there(
    client: Client, made: Voiceover, what: str
) -> None:
    assert client.get(f"/review/{made.pk}/files/{what}").status_code == 404


@pytest.mark.parametrize(
    ("rate", "lateness", "flags"),
    [
        (1.0, 0.0, ()),
        (1.09, 0.2, ()),
        (1.2, 0.0, ("sped up 1.2×",)),
        (1.25, 0.3, ("sped up 1.25×", "late 0.3 s")),
        (None, None, ()),
        (0.9, 0.0, ()),
    ],
)
def test_what_is_worth_a_second_listen(
    rate: float | None, lateness: float | None, flags: tuple[str, ...]
) -> None:
    assert presenting.flags(rate, lateness) == flags


def test_a_click_goes_to_where_a_line_begins() -> None:
    early = Utterance(start=5.0, end=6.0, placed_at=4.8)
    assert presenting.line(early, 1).jump == 4.8
    assert presenting.line(Utterance(start=5.0, end=6.0, blocker="x"), 1).jump == 5.0


def test_one_that_could_not_be_published_may_be_sent_back(
    people: People, browser: Browser, video: Path, node: Node
) -> None:
    made = dubbed(asked(people, video), node, video)
    Voiceover.objects.update(state="failed", reason=PUBLISHING_FAILED)
    said = browser(people.reviewer).get(f"/review/{made.pk}/").content.decode()
    assert "could not be published" in said
    assert "Request changes" in said


def test_one_whose_file_is_gone_says_so_and_is_not_approved(
    people: People, browser: Browser, video: Path, node: Node
) -> None:
    made = dubbed(asked(people, video), node, video)
    storage().remove(made.job.outputs()["video"].digest)
    client = browser(people.reviewer)
    assert "no longer in storage" in client.get(f"/review/{made.pk}/").content.decode()
    said = client.post(f"/review/{made.pk}/approve/", {"dub": str(made.job_id)}, follow=True)
    assert "request changes, then have it made again" in said.content.decode()
    made.refresh_from_db()
    assert made.state == "in_review"

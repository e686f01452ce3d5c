"""Keeping the original, approving, sending back."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from campus.notifications.models import Notice
from campus.refusals import Refused
from campus.review import services
from campus.voiceovers.models import Utterance, Voiceover
from campus.voiceovers.services import retry
from campus.voiceovers.states import VoiceoverState
from orchestrator.models import Node
from tests.campus.conftest import Browser
from tests.campus.making import asked, claimed, complete, dubbed, now
from tests.campus.people import People

HTMX = {"hx-request": "true"}


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.reviewer)


@pytest.fixture
def made(people: People, video: Path, node: Node) -> Voiceover:
    return dubbed(asked(people, video), node, video, blockers=2)


def blocked(of: Voiceover) -> list[Utterance]:
    return list(of.utterances.exclude(blocker=""))


def keep(client: Client, line: Utterance, wish: str = "yes") -> tuple[int, str]:
    page = f"/review/{line.voiceover_id}/lines/{line.pk}/"
    response = client.post(page, {"keep": wish}, headers=HTMX)
    return response.status_code, response.content.decode()


def approve(client: Client, made: Voiceover, **form: str) -> str:
    form = {"dub": str(made.job_id), **form}
    return client.post(f"/review/{made.pk}/approve/", form, follow=True).content.decode()


def test_a_line_is_decided_and_undecided(people: People, client: Client, made: Voiceover) -> None:
    line = blocked(made)[0]
    status, row = keep(client, line)
    assert status == 200
    assert "Original kept" in row
    assert "1 line could not be spoken." in row
    line.refresh_from_db()
    assert (line.keep_original, line.decided_by) == (True, people.reviewer)
    _, row = keep(client, line, "no")
    assert "2 lines could not be spoken." in row
    line.refresh_from_db()
    assert (line.keep_original, line.decided_by, line.decided_at) == (False, None, None)


def test_a_line_that_was_spoken_needs_no_decision(client: Client, made: Voiceover) -> None:
    spoken = made.utterances.filter(blocker="")[0]
    status, _ = keep(client, spoken)
    assert status == 409
    spoken.refresh_from_db()
    assert not spoken.keep_original


def test_without_scripts_the_page_comes_back(client: Client, made: Voiceover) -> None:
    line = blocked(made)[0]
    page = client.post(f"/review/{made.pk}/lines/{line.pk}/", {"keep": "yes"})
    assert page["Location"] == f"/review/{made.pk}/"


def test_another_dubs_line_is_not_there(client: Client, made: Voiceover) -> None:
    line = blocked(made)[0]
    page = client.post(f"/review/{uuid4()}/lines/{line.pk}/", {"keep": "yes"})
    assert page.status_code == 404


def test_approval_waits_until_every_line_is_decided(client: Client, made: Voiceover) -> None:
    assert "2 lines could not be spoken: decide about each" in approve(client, made)
    keep(client, blocked(made)[0])
    assert "1 line could not be spoken: decide about it" in approve(client, made)
    made.refresh_from_db()
    assert made.state == VoiceoverState.IN_REVIEW
    keep(client, blocked(made)[1])
    assert "It is being published." in approve(client, made)
    made.refresh_from_db()
    assert made.state == VoiceoverState.APPROVED
    assert made.approved_by is not None


def test_approving_rings_the_publisher_after_the_commit(
    people: People,
    made: Voiceover,
    rung: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    for line in blocked(made):
        services.keep_original(line, True, people.reviewer, now())
    with django_capture_on_commit_callbacks(execute=True):
        services.approve(made, made.job_id, people.reviewer, now())
        assert rung == []
    assert rung == ["campus.publishing.tick"]


def test_changes_take_a_reason(client: Client, made: Voiceover) -> None:
    page, form = f"/review/{made.pk}/changes/", {"dub": str(made.job_id), "reason": " "}
    assert b"Write what has to be changed." in client.post(page, form, follow=True).content
    client.post(page, form | {"reason": "The names are wrong."})
    made.refresh_from_db()
    assert made.state == VoiceoverState.CHANGES_REQUESTED
    assert made.sentence == "The names are wrong."
    told = Notice.objects.get(key__startswith="changes-requested")
    assert told.text == "The names are wrong."
    assert told.user.role == "admin"


def test_after_a_decision_the_next_one_is_told(
    people: People, client: Client, made: Voiceover
) -> None:
    services.request_changes(made, made.job_id, "No.", people.admin, now())
    said = approve(client, made)
    assert "somebody else was faster (The admin)" in said
    assert "“Changes requested”" in said
    status, row = keep(client, blocked(made)[0])
    assert status == 409
    assert "not waiting for review any more" in row


def test_a_dub_that_was_not_looked_at_is_not_approved(
    people: People, client: Client, made: Voiceover, node: Node, video: Path
) -> None:
    seen = made.job_id
    services.request_changes(made, seen, "Again.", people.admin, now())
    made.refresh_from_db()
    retry(made, people.admin, now())
    complete(made, node, claimed(made, node), video)
    assert "dubbed again since you opened the page" in approve(client, made, dub=str(seen))
    with pytest.raises(Refused):
        services.request_changes(made, seen, "Again.", people.reviewer, now())
    made.refresh_from_db()
    assert made.state == VoiceoverState.IN_REVIEW


def test_a_forged_dub_is_refused(client: Client, made: Voiceover) -> None:
    assert "Reload the page" in approve(client, made, dub="nonsense")


def test_decisions_take_a_post(client: Client, made: Voiceover) -> None:
    for page in ("approve/", "changes/", f"lines/{blocked(made)[0].pk}/"):
        assert client.get(f"/review/{made.pk}/{page}").status_code == 405

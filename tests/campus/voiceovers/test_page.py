"""A voiceover's page: how far it is, and its buttons."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from campus.voiceovers import services
from campus.voiceovers.models import Voiceover
from gpu_node.contracts.node_api import StageState
from orchestrator.models import Node
from tests.campus.conftest import Browser
from tests.campus.making import asked, claimed, dubbed, heartbeat, now
from tests.campus.people import People


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.admin)


@pytest.fixture
def made(people: People, video: Path) -> Voiceover:
    return asked(people, video)


def test_it_says_what_it_waits_for(client: Client, made: Voiceover) -> None:
    page = client.get(f"/voiceovers/{made.pk}/").content.decode()
    assert "No GPU node is available" in page
    assert "hx-get" in page


def test_it_shows_every_stage(client: Client, made: Voiceover, node: Node) -> None:
    token = claimed(made, node)
    page = client.get(f"/voiceovers/{made.pk}/state/")
    assert "has taken it" in page.content.decode()
    heartbeat(
        made,
        node,
        token,
        StageState(stage="audio", done=1, total=1, finished=True),
        StageState(stage="speak", done=12, total=40),
    )
    page = client.get(f"/voiceovers/{made.pk}/state/")
    assert page.status_code == 200
    said = page.content.decode()
    assert "Extracting the sound" in said
    assert "12 of 40" in said
    assert 'value="0.650"' in said


def test_polling_ends_with_the_work(
    client: Client, made: Voiceover, node: Node, video: Path
) -> None:
    dubbed(made, node, video)
    page = client.get(f"/voiceovers/{made.pk}/state/")
    assert page.status_code == 286
    assert b"hx-get" not in page.content
    assert b"Compare original and dub" in page.content


def test_the_admins_own_page_shows_the_same(client: Client, made: Voiceover) -> None:
    page = client.get(f"/admin/voiceovers/voiceover/{made.pk}/change/").content.decode()
    assert f"/voiceovers/{made.pk}/state/" in page
    listed = client.get("/admin/voiceovers/voiceover/").content.decode()
    assert "English → Spanish" in listed


def test_cancel_and_try_again(client: Client, made: Voiceover) -> None:
    said = client.post(f"/voiceovers/{made.pk}/cancel/", follow=True).content.decode()
    assert "Cancelled." in said
    assert "Try again" in said
    said = client.post(f"/voiceovers/{made.pk}/retry/", follow=True).content.decode()
    assert "Queued again." in said
    said = client.post(f"/voiceovers/{made.pk}/retry/", follow=True).content.decode()
    assert "Not needed" in said


def test_a_button_leads_back_to_where_it_was(client: Client, made: Voiceover) -> None:
    back = f"/admin/voiceovers/voiceover/{made.pk}/change/"
    page = f"/voiceovers/{made.pk}/cancel/"
    assert client.post(page, {"next": back})["Location"] == back
    assert client.post(page, {"next": "//evil.example"})["Location"] == f"/voiceovers/{made.pk}/"


def test_the_living_part_remembers_where_it_was(client: Client, made: Voiceover) -> None:
    back = f"/admin/voiceovers/voiceover/{made.pk}/change/"
    shown = client.get(back).content.decode()
    assert f"/state/?next={back}" in shown
    polled = client.get(f"/voiceovers/{made.pk}/state/?next={back}").content.decode()
    assert f'name="next" value="{back}"' in polled


def test_what_is_no_button_is_not_there(client: Client, made: Voiceover) -> None:
    assert client.post(f"/voiceovers/{made.pk}/explode/").status_code == 404


def test_operators_watch_without_buttons(people: People, browser: Browser, made: Voiceover) -> None:
    page = browser(people.ops).get(f"/voiceovers/{made.pk}/").content.decode()
    assert "Cancel" not in page


def test_the_partner_sees_it_live_on_the_courses_page(
    people: People, browser: Browser, made: Voiceover, node: Node, video: Path
) -> None:
    assert made.lesson is not None
    partner = browser(people.partner)
    page = partner.get(f"/courses/{made.lesson.course_id}/").content.decode()
    assert "GPU node" in page
    assert "hx-get" in page
    states = f"/courses/{made.lesson.course_id}/states/"
    assert partner.get(states).status_code == 200
    dubbed(made, node, video)
    assert partner.get(states).status_code == 286


def test_a_cancelled_one_says_by_whom(people: People, client: Client, made: Voiceover) -> None:
    services.cancel(made, people.admin, now())
    assert "Cancelled by The admin." in client.get(f"/voiceovers/{made.pk}/").content.decode()

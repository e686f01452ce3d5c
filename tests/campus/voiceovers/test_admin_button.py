"""The button in the admin, and what is said before it is pressed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import F
from django.test import Client

from campus.courses.models import Lesson
from campus.voiceovers import ordering
from campus.voiceovers.models import Voiceover
from orchestrator import ledger
from orchestrator.models import Attempt, CloudOperation, Job, LedgerEntry, Node
from orchestrator.settings import fleet_settings
from orchestrator.states import Cause, OperationKind, OperationOutcome
from tests.campus.conftest import Browser
from tests.campus.making import accepted, asked, claimed, course, dubbed, now, subtitles
from tests.campus.making import lesson as make_lesson
from tests.campus.people import People


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.admin)


@pytest.fixture
def lesson(people: People, video: Path) -> Lesson:
    return accepted(people, video).lessons.get()


def page_of(lesson: Lesson) -> str:
    return f"/admin/courses/lesson/{lesson.pk}/generate/"


def test_the_lesson_has_the_button(client: Client, lesson: Lesson) -> None:
    page = client.get(f"/admin/courses/lesson/{lesson.pk}/change/").content.decode()
    assert page_of(lesson) in page
    assert "Generate voiceover" in page


def test_wait_time_and_cost_are_said_before(
    client: Client, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "3600")
    fleet_settings.cache_clear()
    page = client.get(page_of(lesson)).content.decode()
    assert "No GPU node is available" in page
    assert "about 3 s" in page
    assert f"about {1.5 * lesson.duration:.2f}" in page
    assert not Job.objects.exists()


def test_pressing_it_asks_for_each_language(client: Client, lesson: Lesson) -> None:
    subtitles(lesson, "de")
    said = client.post(page_of(lesson), {"language": ["es", "de"]}, follow=True)
    assert {row.target_language for row in Voiceover.objects.all()} == {"es", "de"}
    assert "Spanish: asked for." in said.content.decode()


def test_pressing_it_twice_makes_one_job(client: Client, lesson: Lesson) -> None:
    client.post(page_of(lesson), {"language": "es"})
    said = client.post(page_of(lesson), {"language": "es"}, follow=True)
    assert "Spanish: already under way, it is “Queued”." in said.content.decode()
    assert Job.objects.count() == 1


def test_what_is_not_offered_is_refused_in_words(client: Client, lesson: Lesson) -> None:
    said = client.post(page_of(lesson), {"language": "ru"}, follow=True).content.decode()
    assert "English to Russian is not offered here" in said
    assert not Job.objects.exists()


def test_a_language_has_to_be_chosen(client: Client, lesson: Lesson) -> None:
    said = client.post(page_of(lesson), follow=True).content.decode()
    assert "Choose at least one language." in said


def test_a_course_that_is_not_accepted_is_not_dubbed(
    people: People, client: Client, video: Path
) -> None:
    draft = make_lesson(course(people.partner), video)
    assert b"has to be accepted" in client.get(page_of(draft)).content
    said = client.post(page_of(draft), {"language": "es"}, follow=True).content.decode()
    assert "has to be accepted" in said
    assert not Job.objects.exists()


def test_what_there_is_cannot_be_chosen_again(
    people: People, client: Client, video: Path, node: Node
) -> None:
    made = dubbed(asked(people, video), node, video)
    assert made.lesson is not None
    choice = ordering.choices(made.lesson)[0]
    assert choice.why_not == "This voiceover is “Waiting for review” already."
    assert b"disabled" in client.get(page_of(made.lesson)).content


def test_finished_dubs_are_what_the_next_one_is_estimated_by(
    people: People, video: Path, node: Node
) -> None:
    first = dubbed(asked(people, video), node, video)
    lesson = first.lesson
    assert lesson is not None
    assert ordering.estimate(lesson, now()).gpu_seconds == 1.5 * lesson.duration
    for _ in range(5):
        dubbed(asked(people, video), node, video)
    Attempt.objects.update(ended_at=F("claimed_at") + timedelta(seconds=7))
    assert ordering.estimate(lesson, now()).gpu_seconds == pytest.approx(7)


def test_what_an_estimate_costs(
    people: People, video: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "3600")
    monkeypatch.setenv("FLEET_CURRENCY", "EUR")
    fleet_settings.cache_clear()
    lesson = accepted(people, video).lessons.get()
    found = ordering.estimate(lesson, now())
    assert found.cost == ledger.cost(1.5 * lesson.duration, Decimal(3600))
    # A minute to wake it, and the idle limit.
    assert (found.alone, found.currency) == (Decimal("960.00"), "EUR")


def test_the_cost_of_waking_a_node_is_what_it_has_been_lately(
    people: People, video: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PRICE_PER_HOUR", "3600")
    fleet_settings.cache_clear()
    at = now() - timedelta(hours=1)
    ready = at + timedelta(seconds=240)
    facts = {"node": node, "price_per_hour": Decimal(3600)}
    LedgerEntry.objects.create(cause=Cause.BOOT, started_at=at, ended_at=ready, **facts)
    LedgerEntry.objects.create(cause=Cause.IDLE, started_at=ready, ended_at=now(), **facts)
    CloudOperation.objects.create(
        node=node,
        kind=OperationKind.UNSHELVE,
        outcome=OperationOutcome.SUCCEEDED,
        intended_at=at,
        deadline=ready,
    )
    lesson = accepted(people, video).lessons.get()
    assert not Job.objects.exists()
    # Four minutes, and the idle limit.
    assert ordering.estimate(lesson, now()).alone == Decimal("1140.00")


def test_an_estimate_waits_behind_what_is_queued(people: People, video: Path, node: Node) -> None:
    made = asked(people, video)
    claimed(made, node)
    assert made.lesson is not None
    found = ordering.estimate(made.lesson, now())
    assert "Waiting for the GPU node to be free" in found.wait
    assert found.wait_seconds is not None

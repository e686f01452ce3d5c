"""The button in the admin, and what is said before it is pressed."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from campus.courses.models import Lesson
from campus.voiceovers import ordering
from campus.voiceovers.models import Voiceover
from orchestrator.models import Job, Node
from orchestrator.settings import fleet_settings
from tests.campus.conftest import Browser
from tests.campus.making import accepted, asked, course, dubbed, now, subtitles
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


def test_what_was_measured_counts_more_than_the_prior() -> None:
    assert ordering.pace([]) == ordering.PRIOR_PACE
    assert ordering.pace([9.0] * 4) == ordering.PRIOR_PACE
    assert ordering.pace([0.3, 0.3, 0.4, 0.5, 9.0]) == 0.4


def test_finished_dubs_are_measured(people: People, video: Path, node: Node) -> None:
    made = dubbed(asked(people, video), node, video)
    assert made.lesson is not None
    assert len(ordering._measured()) == 1
    assert ordering.estimate(made.lesson, now()).gpu_seconds == 1.5 * made.lesson.duration

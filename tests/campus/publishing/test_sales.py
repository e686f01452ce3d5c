"""When a course goes on sale, and off it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from campus.courses import services as courses
from campus.courses.models import Course, Lesson
from campus.publishing import sales, services
from campus.refusals import Refused
from campus.review import services as review
from campus.voiceovers.models import Voiceover
from campus.voiceovers.services import generate
from orchestrator.models import Node
from tests.campus.conftest import Browser
from tests.campus.making import accepted, dubbed, now
from tests.campus.people import People
from tests.campus.publishing.hosting import TroubledHost

LESSONS = [uuid4() for _ in range(4)]
LANGUAGES = st.frozensets(st.sampled_from(["es", "ru", "de"]))


def publish(people: People, lessons: Iterable[Lesson], video: Path, host: TroubledHost) -> None:
    """Dub these lessons in Spanish, approve and publish them."""
    node = Node.objects.get()
    for lesson in lessons:
        made = dubbed(generate(lesson, "es", people.admin, now()).voiceover, node, video)
        review.approve(made, made.job_id, people.reviewer, now())
    for _ in range(2):
        services.tick(host, now)


def state(course: Course) -> str:
    course.refresh_from_db()
    return course.state


def test_it_goes_on_sale_once_every_lesson_is_published(
    people: People, video: Path, node: Node, host: TroubledHost
) -> None:
    course = accepted(people, video, lessons=2)
    publish(people, course.lessons.all()[:1], video, host)
    assert state(course) == "accepted"
    publish(people, course.lessons.all()[1:], video, host)
    assert state(course) == "on_sale"
    last = course.events.last()
    assert last is not None
    assert last.reason == sales.GOES_ON_SALE


def test_without_a_price_it_waits_for_one(
    people: People, video: Path, node: Node, host: TroubledHost
) -> None:
    course = accepted(people, video, price=None)
    publish(people, course.lessons.all(), video, host)
    assert state(course) == "accepted"
    Course.objects.update(price=0)
    services.tick(host, now)
    assert state(course) == "on_sale"


def test_without_its_price_it_goes_off_sale(
    people: People, video: Path, node: Node, host: TroubledHost
) -> None:
    course = accepted(people, video)
    publish(people, course.lessons.all(), video, host)
    Course.objects.update(price=None)
    services.tick(host, now)
    assert state(course) == "accepted"


def test_what_an_admin_took_off_stays_off(
    people: People, video: Path, node: Node, host: TroubledHost
) -> None:
    course = accepted(people, video)
    publish(people, course.lessons.all(), video, host)
    course.refresh_from_db()
    courses.take_off_sale(course, people.admin, now())
    services.tick(host, now)
    assert state(course) == "accepted"
    sales.put_on_sale(course, people.admin, now())
    assert state(course) == "on_sale"
    assert not course.held_back


def test_it_goes_off_sale_with_a_lesson(
    people: People, video: Path, node: Node, host: TroubledHost
) -> None:
    course = accepted(people, video)
    publish(people, course.lessons.all(), video, host)
    services.unpublish(Voiceover.objects.get(), people.admin, now())
    assert state(course) == "accepted"
    services.publish(Voiceover.objects.get(), people.admin, now())
    for _ in range(3):
        services.tick(host, now)
    assert state(course) == "on_sale"


def test_an_incomplete_course_is_not_put_on_sale(people: People, video: Path) -> None:
    with pytest.raises(Refused, match="Not every lesson is published"):
        sales.put_on_sale(accepted(people, video), people.admin, now())
    with pytest.raises(Refused, match="no price"):
        sales.put_on_sale(accepted(people, video, price=None), people.admin, now())


def test_the_admins_buttons(
    people: People, video: Path, node: Node, host: TroubledHost, browser: Browser
) -> None:
    course = accepted(people, video)
    publish(people, course.lessons.all(), video, host)
    client: Client = browser(people.admin)
    page = f"/admin/courses/course/{course.pk}"
    assert "Take off sale" in client.get(f"{page}/change/").content.decode()
    client.post(f"{page}/withdraw/")
    assert state(course) == "accepted"
    client.post(f"{page}/sell/")
    assert state(course) == "on_sale"


@given(st.dictionaries(st.sampled_from(LESSONS), LANGUAGES))
def test_a_language_sells_only_if_no_lesson_lacks_it(
    published: dict[UUID, frozenset[str]],
) -> None:
    found = sales.complete_in(LESSONS, published)
    for language in ("es", "ru", "de"):
        everywhere = all(language in published.get(lesson, ()) for lesson in LESSONS)
        assert (language in found) == everywhere


def test_a_course_without_lessons_sells_in_no_language() -> None:
    assert sales.complete_in([], {}) == set()

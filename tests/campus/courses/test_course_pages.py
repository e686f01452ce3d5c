"""A partner's course from creation to submission."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from campus.courses import services
from campus.courses.models import Course
from campus.courses.states import CourseState
from campus.notifications.models import Notice
from tests.campus.conftest import Browser
from tests.campus.making import accepted, course, lesson, now
from tests.campus.people import People

GOOD = {
    "title": "Speech from end to end",
    "description": "All of it.",
    "source_language": "en",
    "price": "49.00",
    "currency": "EUR",
}


def test_a_partner_without_courses_is_invited(people: People, browser: Browser) -> None:
    assert b"You have no courses yet." in browser(people.partner).get("/courses/").content


def test_a_course_is_created(people: People, browser: Browser) -> None:
    response = browser(people.partner).post("/courses/new/", GOOD)
    made = Course.objects.get()
    assert response["Location"] == f"/courses/{made.pk}/"
    assert (made.owner, made.state, made.price) == (people.partner, "draft", Decimal("49"))
    assert [event.new for event in made.events.all()] == ["draft"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"title": ""}, "This field is required."),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"title": "one\x00two"}, "Null characters are not allowed."),
        ({"title": "one\u202etwo"}, "Leave out control characters"),
        ({"source_language": "tlh"}, "Select a valid choice."),
        ({"price": "-1"}, "greater than or equal to 0"),
        ({"price": "1.234"}, "no more than 2 decimal places"),
        ({"price": "1e400"}, "Ensure that there are no more than 9 digits"),
        ({"currency": "XXX"}, "Select a valid choice."),
        ({"description": "x" * 5001}, "at most 5000 characters"),
    ],
)
def test_a_wrong_value_is_named(
    people: People, browser: Browser, wrong: dict[str, str], sentence: str
) -> None:
    response = browser(people.partner).post("/courses/new/", GOOD | wrong)
    assert sentence in response.content.decode()
    assert not Course.objects.exists()


def test_markup_in_a_title_stays_text(people: People, browser: Browser) -> None:
    client = browser(people.partner)
    client.post("/courses/new/", GOOD | {"title": "<script>alert(1)</script>"})
    assert b"<script>alert" not in client.get("/courses/").content


def test_only_own_courses_are_listed(people: People, browser: Browser) -> None:
    course(people.partner, "Mine alone")
    assert b"Mine alone" in browser(people.partner).get("/courses/").content
    assert b"Mine alone" not in browser(people.other_partner).get("/courses/").content


def test_details_are_changed(people: People, browser: Browser) -> None:
    made = course(people.partner)
    browser(people.partner).post(f"/courses/{made.pk}/details/", GOOD | {"title": "New"})
    made.refresh_from_db()
    assert made.title == "New"


def test_after_acceptance_only_the_price_changes(
    people: People, browser: Browser, video: Path
) -> None:
    made = accepted(people, video, title="Old")
    browser(people.partner).post(f"/courses/{made.pk}/details/", GOOD | {"price": "5"})
    made.refresh_from_db()
    assert (made.title, made.price) == ("Old", Decimal("5"))


def test_an_empty_course_is_not_submitted(people: People, browser: Browser) -> None:
    made = course(people.partner)
    page = browser(people.partner).post(f"/courses/{made.pk}/submit/", follow=True)
    assert b"Add at least one lesson" in page.content
    made.refresh_from_db()
    assert made.current_state is CourseState.DRAFT


def test_submitting_tells_every_admin_once(people: People, browser: Browser, video: Path) -> None:
    made = course(people.partner, "Phonetics")
    lesson(made, video)
    client = browser(people.partner)
    client.post(f"/courses/{made.pk}/submit/")
    page = client.post(f"/courses/{made.pk}/submit/", follow=True)
    assert services.NOT_NOW in page.content.decode()
    told = Notice.objects.get()
    assert told.user == people.admin
    assert "Phonetics" in told.title


def test_while_it_is_looked_at_nothing_changes(
    people: People, browser: Browser, video: Path
) -> None:
    made = course(people.partner, "Old")
    one = lesson(made, video)
    services.submit(made, people.partner, now())
    client = browser(people.partner)
    for page, form in [
        (f"/courses/{made.pk}/details/", GOOD),
        (f"/courses/{made.pk}/delete/", {}),
        (f"/courses/{made.pk}/lessons/new/", {"title": "x"}),
        (f"/courses/lessons/{one.pk}/", {"title": "x"}),
        (f"/courses/lessons/{one.pk}/delete/", {}),
        (f"/courses/lessons/{one.pk}/up/", {}),
        (f"/courses/lessons/{one.pk}/subtitles/", {}),
    ]:
        said = client.post(page, form, follow=True).content.decode()
        assert services.NOT_NOW in said, page
    made.refresh_from_db()
    assert (made.title, made.lessons.get().title) == ("Old", one.title)


def test_a_returned_course_says_why_and_can_be_submitted_again(
    people: People, browser: Browser, video: Path
) -> None:
    made = course(people.partner)
    lesson(made, video)
    services.submit(made, people.partner, now())
    made.refresh_from_db()
    services.give_back(made, people.admin, "The second half is silent.", now())
    client = browser(people.partner)
    assert b"The second half is silent." in client.get(f"/courses/{made.pk}/").content
    assert Notice.objects.get(user=people.partner).text == "The second half is silent."
    client.post(f"/courses/{made.pk}/submit/")
    made.refresh_from_db()
    assert made.current_state is CourseState.SUBMITTED
    assert Notice.objects.filter(user=people.admin).count() == 2


def test_a_course_is_deleted_after_a_question(people: People, browser: Browser) -> None:
    made = course(people.partner)
    client = browser(people.partner)
    assert b"This cannot be undone." in client.get(f"/courses/{made.pk}/delete/").content
    assert Course.objects.exists()
    client.post(f"/courses/{made.pk}/delete/")
    assert not Course.objects.exists()


def test_pages_refuse_other_methods(people: People, browser: Browser) -> None:
    made = course(people.partner)
    client = browser(people.partner)
    assert client.get(f"/courses/{made.pk}/submit/").status_code == 405
    assert client.post("/courses/").status_code == 405
    assert client.delete(f"/courses/{made.pk}/delete/").status_code == 405

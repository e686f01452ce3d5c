"""Courses in the admin: accepted, returned, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from campus.courses import services
from campus.courses.models import Course
from campus.courses.states import CourseState
from campus.notifications.models import Notice
from campus.refusals import Refused
from tests.campus.conftest import Browser
from tests.campus.making import accepted, asked, course, lesson, now
from tests.campus.people import People

ROOT = "/admin/courses/course"


@pytest.fixture
def submitted(people: People, video: Path) -> Course:
    made = course(people.partner, "Phonetics")
    lesson(made, video)
    services.submit(made, people.partner, now())
    made.refresh_from_db()
    return made


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.admin)


def test_an_admin_sees_what_was_submitted(client: Client, submitted: Course) -> None:
    assert b"Phonetics" in client.get(f"{ROOT}/").content
    page = client.get(f"{ROOT}/{submitted.pk}/change/").content.decode()
    assert "Accept" in page
    assert "Return with a reason" in page
    assert "Put on sale" not in page


def test_looking_at_the_question_changes_nothing(client: Client, submitted: Course) -> None:
    for what in ("accept", "return"):
        assert client.get(f"{ROOT}/{submitted.pk}/{what}/").status_code == 200
    submitted.refresh_from_db()
    assert submitted.current_state is CourseState.SUBMITTED


def test_accepting_tells_the_partner(people: People, client: Client, submitted: Course) -> None:
    page = client.post(f"{ROOT}/{submitted.pk}/accept/", follow=True)
    assert "“Phonetics” is now “Accepted”." in page.content.decode()
    assert Notice.objects.get(user=people.partner).title.startswith("Your course was accepted")


def test_returning_takes_a_reason(people: People, client: Client, submitted: Course) -> None:
    page = client.post(f"{ROOT}/{submitted.pk}/return/", {"reason": "  "}, follow=True)
    assert b"Write what has to be changed" in page.content
    client.post(f"{ROOT}/{submitted.pk}/return/", {"reason": "Too quiet."})
    submitted.refresh_from_db()
    assert services.return_reason(submitted) == "Too quiet."
    assert Notice.objects.get(user=people.partner).text == "Too quiet."


def test_the_second_admin_is_told_who_was_faster(
    people: People, client: Client, submitted: Course
) -> None:
    client.post(f"{ROOT}/{submitted.pk}/accept/")
    page = client.post(f"{ROOT}/{submitted.pk}/return/", {"reason": "No."}, follow=True)
    assert "Somebody else was faster: this course is now “Accepted”." in page.content.decode()
    with pytest.raises(Refused):
        services.accept(submitted, people.admin, now())
    assert Notice.objects.filter(user=people.partner).count() == 1


def test_operators_look_but_do_not_decide(
    people: People, browser: Browser, submitted: Course
) -> None:
    ops = browser(people.ops)
    assert ops.get(f"{ROOT}/{submitted.pk}/change/").status_code == 200
    assert ops.post(f"{ROOT}/{submitted.pk}/accept/").status_code == 403
    assert ops.post(f"{ROOT}/{submitted.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_course_is_not_edited_in_the_admin(client: Client, submitted: Course) -> None:
    page = f"{ROOT}/{submitted.pk}/change/"
    assert client.post(page, {"title": "Hacked"}).status_code == 403
    assert client.get(f"{ROOT}/add/").status_code == 403


def test_deleting_a_course_deletes_its_lessons(people: People, client: Client, video: Path) -> None:
    made = accepted(people, video, 2)
    client.post(f"{ROOT}/{made.pk}/delete/", {"post": "yes"})
    assert not Course.objects.exists()


def test_several_courses_are_deleted_at_once(people: People, client: Client, video: Path) -> None:
    made = asked(people, video)
    assert made.lesson is not None
    rows = [str(made.lesson.course_id), str(course(people.partner).pk)]
    form = {"action": "delete_selected", "_selected_action": rows, "post": "yes"}
    client.post(f"{ROOT}/", form)
    assert not Course.objects.exists()
    made.refresh_from_db()
    assert made.state == "cancelled"


def test_the_first_page_counts_what_waits(client: Client, submitted: Course) -> None:
    page = client.get("/admin/").content.decode()
    assert "Courses to review" in page
    assert "?state__exact=submitted" in page
    assert client.get("/admin/courses/course/?state__exact=submitted").status_code == 200


@pytest.mark.parametrize("odd", ["nope", "1", "%00", "x" * 500])
def test_what_is_not_even_an_id_is_not_there(client: Client, odd: str) -> None:
    pages = [f"{ROOT}/{odd}/{act}/" for act in ("accept", "return", "sell", "withdraw")]
    pages.append(f"/admin/courses/lesson/{odd}/generate/")
    for page in pages:
        assert client.get(page).status_code in (403, 404), page
        assert client.post(page, {"reason": "No."}).status_code == 404, page

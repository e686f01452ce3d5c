"""The bell, the list, and that nobody is told twice."""

from __future__ import annotations

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.notifications.models import Mail, Notice
from campus.notifications.services import SEND_TASK, Note, tell, tell_roles
from tests.campus.conftest import Browser
from tests.campus.making import now
from tests.campus.people import People

NOTE = Note(key="event:1", title="It happened", text="In detail.", path="/courses/")


def test_the_same_event_is_told_once(people: People) -> None:
    for _ in range(3):
        tell([people.partner, people.admin], NOTE, now())
    assert Notice.objects.count() == 2


def test_a_role_is_told_without_those_who_are_off(people: People) -> None:
    User.objects.create_user("gone", None, Role.ADMIN)
    User.objects.filter(username="gone").update(is_active=False)
    tell_roles([Role.ADMIN, Role.OPS], NOTE, now())
    assert {notice.user for notice in Notice.objects.all()} == {people.admin, people.ops}


def test_nothing_is_told_of_what_did_not_come_true(people: People, rung: list[str]) -> None:
    def undone() -> None:
        with transaction.atomic():
            tell([people.partner], NOTE, now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert not Notice.objects.exists()
    assert rung == []


def test_the_sender_is_rung_after_the_commit(
    people: People,
    rung: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tell([people.partner], NOTE, now())
    assert rung == [SEND_TASK]


def test_without_an_address_there_is_no_mail(people: People) -> None:
    User.objects.filter(pk=people.ops.pk).update(email="")
    tell(User.objects.filter(pk=people.ops.pk), NOTE, now())
    assert Notice.objects.get().mail == Mail.NONE


def test_the_bell_counts_what_is_new(people: People, browser: Browser) -> None:
    client = browser(people.partner)
    assert b"unread" not in client.get("/").content
    tell([people.partner], NOTE, now())
    tell([people.partner], Note(key="event:2", title="Again"), now())
    assert b"2 unread" in client.get("/").content


def test_a_notice_is_read_by_opening_it(people: People, browser: Browser) -> None:
    tell([people.partner], NOTE, now())
    notice = Notice.objects.get()
    client = browser(people.partner)
    assert b"In detail." in client.get("/notices/").content
    assert client.get(f"/notices/{notice.pk}/").status_code == 405
    assert client.post(f"/notices/{notice.pk}/")["Location"] == "/courses/"
    assert b"unread" not in client.get("/").content


def test_another_persons_notice_is_not_there(people: People, browser: Browser) -> None:
    tell([people.partner], NOTE, now())
    page = f"/notices/{Notice.objects.get().pk}/"
    assert browser(people.other_partner).post(page).status_code == 404
    assert Notice.objects.get().read_at is None


def test_all_are_read_at_once(people: People, browser: Browser) -> None:
    tell([people.partner, people.ops], NOTE, now())
    browser(people.partner).post("/notices/read/")
    unread = Notice.objects.filter(read_at=None)
    assert [notice.user for notice in unread] == [people.ops]


def test_many_notices_have_pages(people: People, browser: Browser) -> None:
    for number in range(40):
        tell([people.partner], Note(key=f"e:{number}", title=f"Event {number}"), now())
    client = browser(people.partner)
    assert b"Page 1 of 2" in client.get("/notices/").content
    assert b"Event 0<" in client.get("/notices/?page=2").content
    assert client.get("/notices/?page=nonsense").status_code == 200


def test_nothing_was_told_yet(people: People, browser: Browser) -> None:
    assert b"Nothing to tell you yet." in browser(people.partner).get("/notices/").content

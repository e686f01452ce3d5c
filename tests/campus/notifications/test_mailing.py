"""E-mails: sent with patience, and never twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from pytest_django import Settings

from campus.notifications import mailing
from campus.notifications.models import Mail, Notice
from campus.notifications.services import Note, tell
from campus.notifications.tasks import send
from tests.campus.making import now
from tests.campus.people import People


@pytest.fixture
def waiting(people: People) -> Notice:
    tell([people.partner], Note("event:1", "It\nhappened", "In detail.", "/courses/"), now())
    return Notice.objects.get()


def state(notice: Notice) -> str:
    notice.refresh_from_db()
    return notice.mail


def test_it_says_what_happened_and_where(
    waiting: Notice, mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    settings.SITE_URL = "https://campus.example"
    assert mailing.send_waiting(now()) == 1
    message = mailoutbox[0]
    assert message.to == ["partner@example.org"]
    assert message.subject == "It happened"
    assert message.body == "In detail.\n\nhttps://campus.example/courses/\n"
    assert state(waiting) == Mail.SENT


def test_it_is_sent_once(waiting: Notice, mailoutbox: list[EmailMessage]) -> None:
    for _ in range(3):
        send()
    assert len(mailoutbox) == 1


def away(*_: Any, **__: Any) -> int:
    raise OSError("the mail server does not answer")


def test_a_server_that_is_away_is_tried_again(
    waiting: Notice, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(EmailMessage, "send", away)
        assert mailing.send_waiting(now()) == 0
    assert state(waiting) == Mail.WAITING
    assert mailing.send_waiting(now()) == 0
    assert mailing.send_waiting(now() + mailing.backoff(1)) == 1
    assert len(mailoutbox) == 1


def test_in_the_end_it_is_given_up(waiting: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmailMessage, "send", away)
    at: datetime = now()
    for _ in range(mailing.MOST_TRIES + 2):
        mailing.send_waiting(at)
        at += timedelta(days=30)
    assert state(waiting) == Mail.FAILED
    assert waiting.mail_tries == mailing.MOST_TRIES


def test_a_sender_that_died_may_have_sent_it(
    waiting: Notice, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EmailMessage, "send", die)
        with pytest.raises(Killed):
            mailing.send_waiting(now())
    assert state(waiting) == Mail.SENDING
    assert mailing.send_waiting(now() + timedelta(minutes=9)) == 0
    assert state(waiting) == Mail.SENDING
    assert mailing.send_waiting(now() + timedelta(minutes=11)) == 0
    assert state(waiting) == Mail.UNCLEAR
    assert mailoutbox == []


def test_one_that_cannot_be_sent_keeps_no_other_from_it(
    people: People, waiting: Notice, mailoutbox: list[EmailMessage]
) -> None:
    Notice.objects.filter(pk=waiting.pk).update(title="x")
    people.partner.email = "broken address\n"
    people.partner.save()
    tell([people.admin], Note("event:2", "Another"), now())
    mailing.send_waiting(now())
    assert [message.subject for message in mailoutbox] == ["Another"]


def test_the_wait_grows() -> None:
    waits = [mailing.backoff(tries) for tries in range(1, 6)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=30)

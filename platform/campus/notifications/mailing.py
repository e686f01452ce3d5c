"""Sends what waits to be sent, each e-mail at most once.

A notice is marked before it goes out and after. When the sender dies in between, nobody can know
whether it went: it is not sent again, and can still be read in the site.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F

from campus.notifications.models import Mail, Notice

log = logging.getLogger(__name__)

MOST_TRIES = 6
_BATCH = 50
_SENDER_DIED = timedelta(minutes=10)


def backoff(tries: int) -> timedelta:
    """How long to wait after so many tries in vain."""
    return timedelta(seconds=30 * 4 ** max(0, tries - 1))


def send_waiting(now: datetime) -> int:
    """Send what is due; how many went out."""
    Notice.objects.filter(mail=Mail.SENDING, mail_not_before__lt=now - _SENDER_DIED).update(
        mail=Mail.UNCLEAR
    )
    due = Notice.objects.filter(mail=Mail.WAITING, mail_not_before__lte=now).select_related("user")
    return sum(_send(notice, now) for notice in due.order_by("pk")[:_BATCH])


def _send(notice: Notice, now: datetime) -> bool:
    claimed = Notice.objects.filter(pk=notice.pk, mail=Mail.WAITING).update(
        mail=Mail.SENDING, mail_tries=F("mail_tries") + 1, mail_not_before=now
    )
    if not claimed:
        return False
    try:
        _message(notice).send()
    except Exception as error:  # whatever the mail server does, the others are sent as well
        log.warning("notice %s was not sent: %s", notice.pk, type(error).__name__)
        _put_back(notice.pk, notice.mail_tries + 1, now)
        return False
    Notice.objects.filter(pk=notice.pk).update(mail=Mail.SENT)
    return True


def _put_back(pk: int, tries: int, now: datetime) -> None:
    again = Mail.WAITING if tries < MOST_TRIES else Mail.FAILED
    Notice.objects.filter(pk=pk, mail=Mail.SENDING).update(
        mail=again, mail_not_before=now + backoff(tries)
    )


def _message(notice: Notice) -> EmailMessage:
    parts = [notice.text, f"{settings.SITE_URL}{notice.path}" if notice.path else ""]
    return EmailMessage(
        # A line break in a title would begin another header.
        subject=" ".join(notice.title.split()),
        body="\n\n".join(part for part in parts if part) + "\n",
        to=[notice.user.email],
        headers={"Message-ID": f"<notice-{notice.pk}@dubfleet>"},
    )

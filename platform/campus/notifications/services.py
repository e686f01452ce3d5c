"""Telling people: the notice is written in the transaction of what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from campus.accounts.models import User
from campus.accounts.roles import Role
from campus.notifications.models import Mail, Notice
from campus.queues import ring_after_commit

SEND_TASK = "campus.notifications.send"


@dataclass(frozen=True, slots=True)
class Note:
    """What is said. `key` names the event; nobody is told of one twice."""

    key: str
    title: str
    text: str = ""
    path: str = ""


def tell(users: Iterable[User], note: Note, now: datetime) -> None:
    """Tell some people; call it inside the transaction that makes the event true."""
    Notice.objects.bulk_create(
        (
            Notice(
                user=user,
                key=note.key,
                title=note.title[:200],
                text=note.text,
                path=note.path,
                created_at=now,
                mail=Mail.WAITING if user.email else Mail.NONE,
                mail_not_before=now,
            )
            for user in users
        ),
        ignore_conflicts=True,
    )
    ring_after_commit(SEND_TASK)


def tell_roles(roles: Iterable[Role], note: Note, now: datetime) -> None:
    """Tell everybody who has one of these roles."""
    tell(User.objects.filter(role__in=list(roles), is_active=True), note, now)

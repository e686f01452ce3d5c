"""How often a password may be guessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest

from campus.accounts.models import LoginFailure

WINDOW = timedelta(minutes=15)
MOST_FOR_PAIR = 5
MOST_FOR_ADDRESS = 30
MOST_FOR_NAME = 50
_LONGEST_ADDRESS = 45


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords within the window: of this name from this address, and of either alone."""

    pair: int
    address: int
    name: int


def refused(failures: Failures) -> bool:
    """Whether the next try is not even looked at.

    A name alone gets a wide berth: otherwise strangers could lock its owner out with ease.
    """
    return (
        failures.pair >= MOST_FOR_PAIR
        or failures.address >= MOST_FOR_ADDRESS
        or failures.name >= MOST_FOR_NAME
    )


def recent(username: str, address: str, now: datetime) -> Failures:
    """The failures that count now."""
    rows = LoginFailure.objects.filter(at__gt=now - WINDOW)
    return Failures(
        pair=rows.filter(username=_key(username), address=address).count(),
        address=rows.filter(address=address).count(),
        name=rows.filter(username=_key(username)).count(),
    )


def note_failure(username: str, address: str, now: datetime) -> None:
    """Remember one, and forget those that no longer count."""
    LoginFailure.objects.filter(at__lte=now - WINDOW).delete()
    LoginFailure.objects.create(username=_key(username), address=address, at=now)


def forgive(username: str, address: str) -> None:
    """The right password was given."""
    LoginFailure.objects.filter(username=_key(username), address=address).delete()


def address_of(request: HttpRequest) -> str:
    """Where a request comes from; behind our own proxy, what that proxy has seen."""
    given = str(request.META.get("REMOTE_ADDR", ""))
    if settings.BEHIND_PROXY:
        # The last one is our proxy's word, the ones before are the client's.
        given = request.headers.get("X-Forwarded-For", given).rpartition(",")[2].strip()
    return given[:_LONGEST_ADDRESS]


def _key(username: str) -> str:
    return username.casefold()[:150]

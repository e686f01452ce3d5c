"""Days and months by the site's own calendar, as moments that can be reckoned with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone


@dataclass(frozen=True, slots=True)
class Month:
    """A month by the site's own calendar: [start, end).

    Both in UTC: the difference of two times of one zone is what its clocks on the wall show, an
    hour off when they were changed in between.
    """

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        return f"{timezone.localtime(self.start):%Y-%m}"

    @property
    def before(self) -> Month:
        return month_of(self.start - timedelta(days=1))

    @property
    def after(self) -> Month:
        return month_of(self.end)


def month_of(moment: datetime) -> Month:
    """The month in which this moment lies."""
    start = _midnight_here(moment).replace(day=1)
    # The 28th and four days lie in the next month, whatever this one's length.
    end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    return Month(start.astimezone(UTC), end.astimezone(UTC))


def midnight(moment: datetime) -> datetime:
    """When the day began in which this moment lies, by the site's own calendar; in UTC."""
    return _midnight_here(moment).astimezone(UTC)


def _midnight_here(moment: datetime) -> datetime:
    # Where clocks go back at midnight there are two: the day begins with the first.
    return timezone.localtime(moment).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def month_named(name: str) -> Month:
    """The month called so, such as 2026-11. Raises ValueError with a sentence."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", name, re.ASCII):
        raise ValueError("A month is written like 2026-11.")
    year, month = name.split("-")
    return month_of(timezone.make_aware(datetime(int(year), int(month), 1)))  # noqa: DTZ001  right here

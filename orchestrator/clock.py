"""The one clock: the database's. Read once per transaction and passed down as a value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from django.db import connection


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> datetime: ...


class DatabaseClock:
    """The time of the database, the same within one transaction on PostgreSQL, aware, in UTC."""

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
                return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
            # statement_timestamp: a transaction that waited for a lock must not live in the past.
            cursor.execute("SELECT statement_timestamp()")
            read: datetime = cursor.fetchone()[0]
            return read.astimezone(UTC)


DATABASE_CLOCK = DatabaseClock()

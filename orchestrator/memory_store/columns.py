"""What a column takes and what it gives back, as Django and SQLite would have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, models
from django.db.models import NOT_PROVIDED

Convert = Callable[[Any], Any]


class Column:
    """One column. `convert` makes a value of the exact type that is stored; None is left alone."""

    __slots__ = (
        "attname",
        "convert",
        "default",
        "exact",
        "field",
        "limit",
        "mutable",
        "name",
        "null",
        "positive",
        "target",
    )

    def __init__(self, field: models.Field[Any, Any]) -> None:
        self.field = field
        self.name = field.name
        self.attname = field.attname
        self.null = field.null
        self.target: type[models.Model] | None = None
        real = field
        if isinstance(field, models.ForeignKey):
            self.target = field.related_model
            real = field.target_field
        self.exact, self.convert = _conversion(real)
        self.mutable = isinstance(field, models.JSONField)
        self.limit: int | None = real.max_length if self.exact is str else None
        self.positive = isinstance(
            real,
            models.PositiveIntegerField
            | models.PositiveBigIntegerField
            | models.PositiveSmallIntegerField,
        )
        self.default = _default(field)

    def store(self, value: Any) -> Any:
        """The value as it is kept. Raises IntegrityError, DataError, TypeError, ValueError."""
        if value is None:
            if not self.null:
                raise IntegrityError(f"NOT NULL constraint failed: {self.attname}")
            return None
        if type(value) is not self.exact or self.mutable:
            value = self.convert(value)
        if self.limit is not None and len(value) > self.limit:
            # SQLite would take it; PostgreSQL, which production runs on, does not.
            raise DataError(f"value too long for {self.attname}({self.limit})")
        if self.positive and value < 0:
            raise IntegrityError(f"CHECK constraint failed: {self.attname}")
        return value

    def sought(self, value: Any) -> Any:
        """The value as it is compared with what is kept."""
        if isinstance(value, models.Model):
            value = value.pk
        if value is None or type(value) is self.exact:
            return value
        return self.convert(value)


def fresh(value: Any) -> Any:
    """A copy of what came out of a JSON column: whoever reads it may change it."""
    kind = type(value)
    if kind is dict:
        return {key: one if type(one) is str else fresh(one) for key, one in value.items()}
    if kind is list:
        return [one if type(one) is str else fresh(one) for one in value]
    return value


def _conversion(field: models.Field[Any, Any]) -> tuple[type, Convert]:
    match field:
        case models.JSONField():
            return object, _json
        case models.CharField() | models.TextField():
            return str, _text
        case models.BooleanField():
            return bool, _boolean
        case models.IntegerField():
            return int, int
        case models.FloatField():
            return float, float
        case models.DecimalField():
            return object, _decimal(field)
        case models.UUIDField():
            return UUID, _uuid
        case models.DateTimeField():
            return datetime, _moment
        case _:
            raise NotImplementedError(f"a column like {field}")


def _default(field: models.Field[Any, Any]) -> Callable[[], Any]:
    if field.default is NOT_PROVIDED:
        empty = "" if field.empty_strings_allowed and not field.null else None
        return lambda: empty
    if callable(field.default):
        made: Callable[[], Any] = field.default
        return made
    plain = field.default
    return lambda: plain


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value)) if value else fresh(value)


def _text(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


def _boolean(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(f"neither true nor false: {value!r}")
    return bool(value)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"not a moment with its time zone: {value!r}")
    return value.astimezone(UTC)


def _decimal(field: models.DecimalField[Any, Any]) -> Convert:
    step = Decimal(1).scaleb(-field.decimal_places)

    def convert(value: Any) -> Decimal:
        return Decimal(str(value) if isinstance(value, float) else value).quantize(step)

    return convert

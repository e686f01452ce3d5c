"""Settings from the environment: a variable X, or the file that X_FILE names.

Each program declares what it reads as a pydantic model; a field `redis_url` is read from
`REDIS_URL` or from the file named by `REDIS_URL_FILE`. A wrong value stops the program at start
with one sentence that names the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError


class Settings(BaseModel):
    """The base of every program's settings. Unlike a contract's, a wrong value is not echoed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


S = TypeVar("S", bound=Settings)


class SettingError(Exception):
    """A setting that cannot be used; its text is one sentence for the operator."""


def load(model: type[S], environ: Mapping[str, str]) -> S:
    """Read a program's settings. An empty variable counts as not set.

    Raises SettingError for the first variable that is missing, given twice, or wrong.
    """
    given = {
        field: value
        for field in model.model_fields
        if (value := _value(field.upper(), environ)) is not None
    }
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise SettingError(_sentence(error)) from None


def _value(name: str, environ: Mapping[str, str]) -> str | None:
    direct, file = environ.get(name), environ.get(f"{name}_FILE")
    if direct and file:
        raise SettingError(f"{name} and {name}_FILE are both set: keep one of them.")
    if not file:
        return direct or None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingError(f"{name}_FILE names a file that cannot be read: {why}.") from None


def _sentence(error: ValidationError) -> str:
    """The first complaint, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if not first["loc"]:
        return (
            f"The settings do not go together: {str(first['msg']).removeprefix('Value error, ')}."
        )
    name = str(first["loc"][0]).upper()
    if first["type"] == "missing":
        return f"{name} is not set (nor {name}_FILE): the program cannot start without it."
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{name} is wrong: {message[:1].lower()}{message[1:]}."


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A list written with commas."""

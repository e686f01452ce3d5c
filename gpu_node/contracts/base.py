"""The one base of every contract, and the version they are all written in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CONTRACT_VERSION: Literal[1] = 1


class Contract(BaseModel):
    """A frozen value that refuses fields it does not know: a typo is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Document(Contract):
    """A contract that is stored or sent by itself, and so says which version it was written in."""

    contract_version: Literal[1] = CONTRACT_VERSION


def _plausible_tag(value: str) -> str:
    parts = value.split("-")
    if not parts[0].isascii() or not parts[0].isalpha() or not 2 <= len(parts[0]) <= 3:
        raise ValueError("a language is written as a BCP 47 tag, such as en, es-419 or pt-BR")
    if any(not part.isascii() or not part.isalnum() or len(part) > 8 for part in parts[1:]):
        raise ValueError("a language is written as a BCP 47 tag, such as en, es-419 or pt-BR")
    return value


LanguageTag = Annotated[str, AfterValidator(_plausible_tag)]
"""A BCP 47 tag by shape only; whether the language exists is asked of `gpu_node.languages`."""


class InLanguage(Contract):
    """The settings of a step that only needs to know the language."""

    language: LanguageTag


Seconds = Annotated[float, Field(ge=0)]
"""Seconds on the source clock: 0 is the moment the lesson's earliest stream starts."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""

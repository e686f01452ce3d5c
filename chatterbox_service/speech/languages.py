"""Which of an engine's languages is meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from chatterbox_service.ports import Language
from chatterbox_service.problems import Code, Problem

_SAME = {"nb": "no", "nn": "no", "iw": "he", "jw": "jv", "in": "id", "cmn": "zh", "arb": "ar"}
"""Codes of one language, or of one that will do for another."""


def resolve(tag: str, languages: Mapping[str, Language]) -> str:
    """The engine's own code for a BCP-47 tag: its region's, else the language's.

    Raises Problem: LANGUAGE_UNKNOWN, LANGUAGE_UNREADY.
    """
    wanted = tag.strip().lower().replace("_", "-")
    primary = wanted.partition("-")[0]
    for code in (wanted, primary, _SAME.get(primary, primary)):
        language = languages.get(code)
        if language is None:
            continue
        if language.lacks:
            raise Problem(
                Code.LANGUAGE_UNREADY,
                f'The language "{tag}" cannot be spoken now: {language.lacks}',
            )
        return code
    known = ", ".join(sorted(code for code in languages if "-" not in code))
    raise Problem(
        Code.LANGUAGE_UNKNOWN, f'The language "{tag}" is not spoken here: choose from {known}.'
    )


def one_of(language: str | None, language_id: str | None) -> str:
    """The language that is asked for, under either name. Raises Problem."""
    if language is not None and language_id is not None:
        if language.lower() != language_id.lower():
            raise Problem(
                Code.LANGUAGES_DIFFER,
                f'language is "{language}" and language_id is "{language_id}": send one of them.',
            )
        return language
    found = language if language is not None else language_id
    if found is None:
        raise Problem(Code.INVALID, 'The language is missing: send language, such as "en".')
    return found

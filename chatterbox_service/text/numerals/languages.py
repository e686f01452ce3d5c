"""The languages whose numbers are understood in words."""

from __future__ import annotations

from collections.abc import Mapping

from chatterbox_service.text.numerals.english import ENGLISH
from chatterbox_service.text.numerals.french import FRENCH
from chatterbox_service.text.numerals.german import GERMAN
from chatterbox_service.text.numerals.russian import RUSSIAN
from chatterbox_service.text.numerals.spanish import SPANISH
from chatterbox_service.text.numerals.vocabulary import Vocabulary

_KNOWN: Mapping[str, Vocabulary] = {
    "de": GERMAN,
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "ru": RUSSIAN,
}
_STOP_AS_MARK = frozenset({"zh", "yue", "ja", "ko", "th", "he", "hi", "ms"})
_OTHERS = {True: Vocabulary(numerals={}), False: Vocabulary(numerals={}, comma=False)}


def vocabulary(language: str) -> Vocabulary:
    """By primary subtag; without words for the languages that are not known here."""
    return _KNOWN.get(language) or _OTHERS[language not in _STOP_AS_MARK]

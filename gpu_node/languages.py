"""Languages: which exist, what people call them, and how each file format spells them."""

from __future__ import annotations

import langcodes
from langcodes.tag_parser import LanguageTagError

from gpu_node.contracts.errors import DubfleetError, Reason

# MP4 and Matroska want three letters; these are the ones that `langcodes` cannot map by itself.
_UNDETERMINED = "und"
_PRIVATE = "x"
"""Begins a tag that is valid in BCP 47 and names no language: what follows is anybody's own."""

_NAMES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean",
    "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
    "uk": "Ukrainian", "uz": "Uzbek", "zh": "Chinese",
}  # fmt: skip
"""Names for sentences; `langcodes` would need a data package of 5 MB to know them all."""


def parse(tag: str) -> str:
    """The standard spelling of a BCP 47 tag: "EN_us" becomes "en-US", "rus" becomes "ru".

    Raises DubfleetError(LANGUAGE_UNKNOWN).
    """
    try:
        language = langcodes.Language.get(tag.strip())
    except (LanguageTagError, ValueError):
        raise _unknown(tag) from None
    if not language.is_valid() or language.language in (None, "", _UNDETERMINED):
        raise _unknown(tag)
    standard = language.to_tag()
    if primary(standard) == _PRIVATE:
        raise _unknown(tag)
    return standard


def primary(tag: str) -> str:
    """The language without its region or script: "es" for "es-419"."""
    return tag.split("-")[0]


def name(tag: str) -> str:
    """What people call it, with the tag when it says more: "Spanish (es-419)"."""
    known = _NAMES.get(primary(tag))
    if known is None:
        return tag
    return known if tag == primary(tag) else f"{known} ({tag})"


def three_letters(tag: str) -> str:
    """ISO 639-2/T, as MP4 stores it: "spa" for "es-419"."""
    try:
        return langcodes.Language.get(tag).to_alpha3()
    except (LookupError, ValueError):
        return _UNDETERMINED


def same(one: str | None, other: str) -> bool:
    """Whether two tags, of two or three letters, mean one primary language."""
    return one is not None and three_letters(one) == three_letters(other)


def _unknown(tag: str) -> DubfleetError:
    shown = " ".join(tag.encode("utf-8", "replace").decode().split())[:40]
    return DubfleetError(
        Reason.LANGUAGE_UNKNOWN,
        f'"{shown}" is not a language code: use one such as en, ru, es or pt-BR.',
    )

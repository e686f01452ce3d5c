"""The languages people may choose from, and what they call them."""

from __future__ import annotations

_NAMES = {
    "ar": "Arabic", "zh": "Chinese", "nl": "Dutch", "en": "English", "fr": "French",
    "de": "German", "hi": "Hindi", "it": "Italian", "ja": "Japanese", "kk": "Kazakh",
    "ko": "Korean", "pl": "Polish", "pt": "Portuguese", "pt-BR": "Portuguese (Brazil)",
    "ru": "Russian", "es": "Spanish", "es-419": "Spanish (Latin America)", "tr": "Turkish",
    "uk": "Ukrainian", "uz": "Uzbek",
}  # fmt: skip

CHOICES = sorted(_NAMES.items(), key=lambda item: item[1])


def name(tag: str) -> str:
    """What people call it; the tag itself when nobody here does."""
    return _NAMES.get(tag, tag)


def is_known(tag: str) -> bool:
    """Whether it is one of those that people may choose."""
    return tag in _NAMES


def primary(tag: str) -> str:
    """The language without its region: "es" for "es-419"."""
    return tag.partition("-")[0].lower()


def same(one: str, other: str) -> bool:
    """Whether two tags mean one language, whatever the region."""
    return primary(one) == primary(other)

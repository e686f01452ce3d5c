"""What single characters are: heard or not, seen or not, and where one ends."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Default_Ignorable_Code_Point of Unicode that is not of category Cf: fillers, selectors."""

_JOINER = "\u200d"
_MODIFIER_LETTERS = range(0x2B0, 0x300)
_VARIATION_SUPPLEMENT = range(0xE0100, 0xE01F0)
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TRAILING_JAMO = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))
_TRAILING_LETTERS = frozenset("\u0e33\u0eb3\uff9e\uff9f")
"""Letters by category, but part of what stands before them: Thai and Lao am, kana's voicing."""
_LEADING_LETTERS = frozenset("เแโใไເແໂໃໄ")
"""Vowels of Thai and Lao that are written before their consonant."""
_VIRAMA = 9
"""Canonical combining class: the next consonant belongs to the same syllable."""


def unseen(character: str) -> bool:
    """Zero-width, bidi control, filler or variation selector: nothing that could be read."""
    return (
        character in _UNSEEN
        or ord(character) in _VARIATION_SUPPLEMENT
        or unicodedata.category(character) == "Cf"
    )


def heard(character: str) -> bool:
    """A letter or digit of any script."""
    return character.isalnum() and ord(character) not in _MODIFIER_LETTERS


def says_something(text: str) -> bool:
    """Whether there is anything in it to be spoken."""
    return any(map(heard, text))


def mark(character: str) -> bool:
    """A combining mark."""
    return unicodedata.category(character)[0] == "M"


def separable(text: str, at: int) -> bool:
    """Whether text[:at] and text[at:] may part: no character as people see it is cut.

    The rules are those of Unicode's extended grapheme clusters (UAX 29), and of syllables where a
    virama or a vowel written first ties letters together.
    """
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if mark(after) or after == _JOINER or before == _JOINER or unseen(after):
        return False
    code = ord(after)
    if code in _SKIN_TONES or any(code in jamo for jamo in _TRAILING_JAMO):
        return False
    if after in _TRAILING_LETTERS or before in _LEADING_LETTERS:
        return False
    if unicodedata.combining(before) == _VIRAMA and after.isalpha():
        return False
    return not (code in _REGIONAL and _inside_flag(text, at))


def _inside_flag(text: str, at: int) -> bool:
    """Regional indicators make flags two by two."""
    first = at
    while first > 0 and ord(text[first - 1]) in _REGIONAL:
        first -= 1
    return (at - first) % 2 == 1

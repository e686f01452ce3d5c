"""Refuses what cannot be spoken, before anything is spent on it."""

from __future__ import annotations

import re
import unicodedata

from chatterbox_service.problems import Code, Problem
from chatterbox_service.text.characters import says_something, unseen

_WHITE_CONTROLS = frozenset("\t\n\v\f\r\x85")

_NAME = r"[^\W\d_][\w:.-]*+"
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'<>]++)"""
_MARKUP = re.compile(
    rf"</?{_NAME}\s*+/?>"
    rf"|<{_NAME}(?:\s++[\w:.-]++\s*+=\s*+{_VALUE})++\s*+/?>"
    r"|<!--|<!\[CDATA\[|<!DOCTYPE\b|<\?xml\b"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|\#\d{1,7}|\#x[0-9a-f]{1,6});",
    re.IGNORECASE,
)
"""Tags, bare or with attributes that have a value, and references. "a <b and c> d" is none."""

_MOST_MARKS = 30
"""On one character: no writing needs more (UAX 15, Stream-Safe Text Format), and normalising takes
time by the square of them."""

_BREAK = re.compile(r"\r\n|[\v\f\r\x85\u2028]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_BREAK = re.compile(r" ?\n ?")
_BLANK = re.compile(r"\n{2,}")


def checked(text: str, *, most: int) -> str:
    """The text as it is to be spoken: composed (NFC), nothing unseen in it, white space in order.

    Line breaks and blank lines are kept. At most `most` characters, counted without the white space
    around it. Raises Problem: EMPTY_TEXT, TEXT_TOO_LONG, INVALID, MARKUP, NOTHING_TO_SAY.
    """
    _refuse_long(text.strip(), most)
    seen = "".join(character for character in text if not unseen(character))
    _refuse_invalid(seen)
    cleaned = unicodedata.normalize("NFC", _in_order(seen))
    if not cleaned:
        raise Problem(Code.EMPTY_TEXT, "The text is empty: write what is to be said.")
    # Composing can lengthen, too: some letters are never written in one.
    _refuse_long(cleaned, most)
    if _MARKUP.search(cleaned):
        raise Problem(Code.MARKUP, "Markup is not understood: send plain text.")
    if not says_something(cleaned):
        raise Problem(
            Code.NOTHING_TO_SAY,
            "There is nothing to say in the text: write words or numbers, not only signs.",
        )
    return cleaned


def _refuse_long(text: str, most: int) -> None:
    if len(text) > most:
        raise Problem(
            Code.TEXT_TOO_LONG,
            f"The text has {len(text)} characters and may have {most}: send it in parts.",
        )


def _refuse_invalid(text: str) -> None:
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise Problem(
                Code.INVALID,
                f"The text holds half a character (U+{ord(character):04X}): send valid UTF-8.",
            )
        if category == "Cc" and character not in _WHITE_CONTROLS:
            raise Problem(
                Code.INVALID,
                f"The text holds a control character (U+{ord(character):04X}): take it out.",
            )
        marks = marks + 1 if category[0] == "M" else 0
        if marks > _MOST_MARKS:
            raise Problem(
                Code.INVALID,
                f"The text holds a character with more than {_MOST_MARKS} marks: take them out.",
            )


def _in_order(text: str) -> str:
    """One space, one line break, or one blank line wherever there is white space."""
    broken = _BREAK.sub("\n", text.replace("\u2029", "\n\n"))
    spaced = _SPACES.sub(" ", broken)
    return _BLANK.sub("\n\n", _AROUND_BREAK.sub("\n", spaced)).strip()

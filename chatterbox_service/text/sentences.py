"""Where a paragraph may be cut, and how well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from chatterbox_service.text.abbreviations import never_ends, ordinal
from chatterbox_service.text.characters import heard, separable


class Rank(IntEnum):
    """What stands at a break. The lower, the better the place."""

    PARAGRAPH = 0
    SENTENCE = 1
    CLAUSE = 2
    COMMA = 3
    SPACE = 4
    NOTHING = 5


@dataclass(frozen=True, slots=True)
class Break:
    """The left part ends at `end`, the right one begins at `start`; between is white space."""

    end: int
    start: int
    rank: Rank


_STOPS = ".!?…‽⁇⁈⁉"
_OWN_STOPS = "。！？｡．।॥؟۔։።፧။។༎"
"""Of scripts where no white space has to follow."""
_CLAUSES = ";:"
_OWN_CLAUSES = "；：؛፤፥"
_OWN_COMMAS = "，、､،፣"
_CLOSERS = "\"'”’)]}）］｝」』】〉》〕"
_EITHER = "“‘«»›‹"
"""They open here and close there: closing is what is followed by white space or another of them."""
_OPENERS = _EITHER + "\"'„‚([{（［｛「『【〈《〔¿¡–—-•*·"

_CLOSED = (
    rf"(?:[{re.escape(_CLOSERS)}]|[{_EITHER}](?=[\s{_EITHER}{re.escape(_CLOSERS)}]|$))*"
    r"(?: »(?=\s|$))?"
)
_MARKS = re.compile(
    rf"(?P<stop>[{re.escape(_STOPS + _OWN_STOPS)}]+){_CLOSED}"
    rf"|(?P<clause>[{_CLAUSES}{_OWN_CLAUSES}]+){_CLOSED}"
    rf"|(?P<comma>(?:[,{_OWN_COMMAS}]|—)+){_CLOSED}"
    r"|(?P<dash>(?<=\s)[–-](?=\s))"
)
_NEAR = 20
"""Characters after a stop in which the next word begins, if one does."""
_SPACE = re.compile(r"\s+")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Kana and ideographs: they stand next to each other without spaces."""
_QUOTED_BEFORE = ("と", "っ")
"""Japanese: what was said is quoted, and its sentence goes on."""


def breaks(paragraph: str, language: str) -> list[Break]:
    """All of them but those inside words, in order, at most one at each place."""
    found = {place.end: place for place in _at_spaces(paragraph)}
    for place in _at_marks(paragraph, language):
        kept = found.get(place.end)
        if kept is None or place.rank < kept.rank:
            found[place.end] = place
    return [found[end] for end in sorted(found)]


def _at_spaces(paragraph: str) -> Iterator[Break]:
    for space in _SPACE.finditer(paragraph):
        if space.start() > 0 and space.end() < len(paragraph):
            yield Break(space.start(), space.end(), Rank.SPACE)


def _at_marks(paragraph: str, language: str) -> Iterator[Break]:
    begun = 0
    for found in _MARKS.finditer(paragraph):
        end = found.end()
        rest = _SPACE.match(paragraph, end)
        start = rest.end() if rest else end
        if start == len(paragraph):
            return
        rank = _rank(paragraph, found, begun, start, language)
        if rank is None or not (rest or separable(paragraph, end)):
            continue
        if rank is Rank.SENTENCE:
            begun = start
        yield Break(end, start, rank)


def _rank(
    paragraph: str, found: re.Match[str], begun: int, start: int, language: str
) -> Rank | None:
    """None: the mark belongs to what surrounds it, as in "3.14" or "12:30"."""
    spaced = start > found.end()
    if found["comma"] or found["dash"]:
        own = any(mark in _OWN_COMMAS + "—" for mark in found[0])
        return Rank.COMMA if spaced or own else None
    if found["clause"]:
        asks = language == "el" and ";" in found["clause"]
        own = any(mark in _OWN_CLAUSES for mark in found[0])
        if not (spaced or own):
            return None
        return Rank.SENTENCE if asks else Rank.CLAUSE
    if any(mark in _OWN_STOPS for mark in found["stop"]):
        quoted = len(found[0]) > len(found["stop"]) and not spaced
        goes_on = quoted and paragraph.startswith(_QUOTED_BEFORE, start)
        return Rank.CLAUSE if goes_on else Rank.SENTENCE
    if not spaced:
        wide = _WIDE.match(paragraph, start) is not None
        if not wide or found["stop"] == ".":
            return None
        return Rank.CLAUSE if found["stop"][0] in ".…" else Rank.SENTENCE
    return _after_stop(paragraph, found, begun, start, language)


def _after_stop(
    paragraph: str, found: re.Match[str], begun: int, start: int, language: str
) -> Rank:
    near = paragraph[start : start + _NEAR]
    following = next((letter for letter in near if heard(letter)), "")
    if found["stop"] == "." and _goes_on(paragraph, found.start(), begun, following, language):
        return Rank.SPACE
    return Rank.CLAUSE if following.islower() else Rank.SENTENCE


def _goes_on(paragraph: str, stop: int, begun: int, following: str, language: str) -> bool:
    """Whether the stop belongs to the word before it: an abbreviation, an initial, an ordinal."""
    first = paragraph.rfind(" ", 0, stop) + 1
    word = paragraph[first:stop].lstrip(_OPENERS)
    if word.isdecimal():
        return first <= begun or ordinal(word, language)
    if word.isupper() and all(len(letter) == 1 for letter in word.split(".")):
        return not (word == "I" and language == "en")
    # What is counted can be the last word: "в 1799 г. Потом".
    counted = first > 1 and paragraph[first - 2].isdecimal()
    return not counted and never_ends(word.casefold(), language, following)

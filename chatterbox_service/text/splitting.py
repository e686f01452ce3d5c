"""Cuts a text into pieces that can each be said in one go.

Chatterbox stops silently after 40 s and is unstable below some 25 characters, so pieces are neither
long nor, where that can be helped, short.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chatterbox_service.text.characters import heard, says_something, separable
from chatterbox_service.text.sentences import Break, Rank, breaks

PAUSES: Mapping[Rank, float] = {
    Rank.PARAGRAPH: 0.7,
    Rank.SENTENCE: 0.35,
    Rank.CLAUSE: 0.2,
    Rank.COMMA: 0.15,
    Rank.SPACE: 0.05,
    Rank.NOTHING: 0.0,
}
"""Seconds of silence between two pieces, by what stands there: a calm reader's, by judgement."""

_DENSITY: Mapping[str, int] = {"zh": 3, "yue": 3, "ja": 2, "ko": 2}
"""How many letters of an alphabet take as long to say as one character. English is read at about 15
characters a second, Mandarin at about 4 or 5, Japanese and Korean at about 7: with 280 characters
they would run into the 40 s that Chatterbox can say at all."""

_DETOUR: Mapping[Rank, float] = {
    Rank.SENTENCE: 0.0,
    Rank.CLAUSE: 0.0,
    Rank.COMMA: 0.15,
    Rank.SPACE: 0.5,
}
"""How far from the even cut a better place may lie, as a share of the longest piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`pause_after`: seconds of silence that follow it; 0 after the last."""

    text: str
    pause_after: float


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    after: Rank


def pieces(text: str, language: str, *, most: int = 280, least: int = 25) -> tuple[Piece, ...]:
    """At sentences' ends; long ones at clauses, then at spaces, then between any two characters.

    No piece has more than `most` characters, or is without a letter or digit, and as few as can be
    have less than `least`. Both count letters of an alphabet: in Chinese, Japanese and Korean they
    are divided by how much more a character says. Nothing but white space is lost, except signs
    that fit beside no words, and marks beyond `most` on one character. Empty when there is nothing
    to say. `language` is a primary subtag, in lower case. Raises ValueError unless most is above 0.
    """
    if most < 1:
        raise ValueError("most has to be above 0")
    density = _DENSITY.get(language, 1)
    most, least = max(1, most // density), least // density
    body = "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
    atoms = _gathered(body, _atoms(body, language, most, least), most)
    groups = _grouped(body, atoms, most, least)
    return tuple(_with_pauses(body, groups))


def _atoms(body: str, language: str, most: int, least: int) -> Iterator[_Span]:
    """Sentences, those that are too long in parts."""
    offset = 0
    for paragraph in body.split("\n\n"):
        places = breaks(paragraph, language)
        begun = 0
        for place in [p for p in places if p.rank is Rank.SENTENCE] + [_end(paragraph)]:
            for part in _cut(paragraph, _Span(begun, place.end, place.rank), places, most, least):
                yield _Span(offset + part.start, offset + part.end, part.after)
            begun = place.start
        offset += len(paragraph) + len("\n\n")


def _end(paragraph: str) -> Break:
    return Break(len(paragraph), len(paragraph), Rank.PARAGRAPH)


def _cut(
    paragraph: str, sentence: _Span, places: Sequence[Break], most: int, least: int
) -> Iterator[_Span]:
    start, end = sentence.start, sentence.end
    while end - start > most:
        even = start + (end - start) / -(-(end - start) // most)
        at = _best(places, start, end, even, most, least) or _anywhere(paragraph, start, even, most)
        yield _Span(start, at.end, at.rank)
        start = at.start
    yield _Span(start, end, sentence.after)


def _best(
    places: Sequence[Break], start: int, end: int, even: float, most: int, least: int
) -> Break | None:
    """The place most worth its distance from the even cut; None where there is no mark or space."""
    lowest, highest = (start + even) / 2, min(start + most, max(even, end - least))
    first = bisect_right(places, lowest, key=lambda place: place.end)
    last = bisect_right(places, highest, key=lambda place: place.end)
    return min(
        places[first:last],
        key=lambda place: abs(place.end - even) / most + _DETOUR[place.rank],
        default=None,
    )


def _anywhere(paragraph: str, start: int, even: float, most: int) -> Break:
    """Close to the even cut, between two letters of which at most one is of the Latin script."""
    near = sorted(range(start + 1, start + most + 1), key=lambda at: abs(at - even))
    whole = [at for at in near if separable(paragraph, at)]
    between = (
        at
        for at in whole
        if abs(at - even) <= most / 4
        and heard(paragraph[at])
        and not (paragraph[at - 1].isascii() and paragraph[at].isascii())
    )
    at = next(between, next(iter(whole), start + most))
    return Break(at, at, Rank.NOTHING)


def _gathered(body: str, atoms: Iterable[_Span], most: int) -> list[_Span]:
    """Signs alone as one atom, up to half a piece: a page of them must not take a minute."""
    done: list[_Span] = []
    silent = False
    for atom in atoms:
        mute = not says_something(body[atom.start : atom.end])
        if mute and silent and atom.end - done[-1].start <= most // 2:
            done[-1] = _Span(done[-1].start, atom.end, atom.after)
        else:
            done.append(atom)
        silent = mute
    return done


def _grouped(body: str, atoms: Sequence[_Span], most: int, least: int) -> list[_Span]:
    """Neighbours together, by dynamic programming: the cheapest groups, see `_Cost`."""
    speaks = [says_something(body[atom.start : atom.end]) for atom in atoms]
    best: list[tuple[_Cost, int]] = [((0, 0, 0, 0, 0), 0)] + [(_NEVER, 0)] * len(atoms)
    for first in range(len(atoms)):
        sofar = best[first][0]
        for last, cost in _groups_from(atoms, speaks, first, most, least):
            total = _sum(sofar, cost)
            if total < best[last + 1][0]:
                best[last + 1] = (total, first)
    groups = []
    end = len(atoms)
    while end:
        first = best[end][1]
        groups.append(_Span(atoms[first].start, atoms[end - 1].end, atoms[end - 1].after))
        end = first
    return groups[::-1]


_Cost = tuple[int, int, int, int, int]
"""In order of weight: groups without words, short ones, paragraphs joined (double, unless something
short is joined to what follows it, as a heading is), joins, and length squared: balance."""
_NEVER: _Cost = (1 << 60, 0, 0, 0, 0)


def _sum(a: _Cost, b: _Cost) -> _Cost:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4])


def _groups_from(
    atoms: Sequence[_Span], speaks: Sequence[bool], first: int, most: int, least: int
) -> Iterator[tuple[int, _Cost]]:
    """The last atom and the cost of each group worth a thought that begins with the first."""
    start = atoms[first].start
    spoken, crossed = False, 0
    enough: int | None = None
    for last in range(first, len(atoms)):
        length = atoms[last].end - start
        if length > most:
            return
        if last > first and atoms[last - 1].after is Rank.PARAGRAPH:
            crossed += 1 if atoms[last - 1].end - start < least else 2
        spoken = spoken or speaks[last]
        yield last, (not spoken, length < least, crossed, last - first, length * length)
        if enough is None:
            if spoken and length >= least:
                enough = last
        elif atoms[last].end - atoms[enough + 1].start >= least and any(
            speaks[enough + 1 : last + 1]
        ):
            # From here on the group is two that could each stand alone.
            return


def _with_pauses(body: str, groups: Sequence[_Span]) -> Iterator[Piece]:
    spoken = [(body[g.start : g.end].strip(), PAUSES[g.after]) for g in groups]
    told = [(text, pause) for text, pause in spoken if says_something(text)]
    for at, (text, pause) in enumerate(told):
        yield Piece(text, pause if at + 1 < len(told) else 0.0)

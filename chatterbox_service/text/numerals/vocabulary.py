"""What a language says numbers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

HUNDRED = 100
THOUSAND = 1_000
MILLION = 1_000_000
MILLIARD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Numeral:
    """One word of a number.

    `room`: what follows and is below it is added, as 7 after "twenty" (10). `multiplies`: what
    stands before it is multiplied, as by "thousand". After an ordinal the number is over.
    """

    value: int
    room: int = 0
    multiplies: bool = False
    ordinal: bool = False


def _nothing(_word: str) -> Numeral | None:
    return None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words are in the form that `normalising` gives them: folded, without stress marks."""

    numerals: Mapping[str, Numeral]
    compound: Callable[[str], Numeral | None] = _nothing
    """For words that are made of several numerals."""
    joiners: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Words between numerals, and the rooms in which they may stand: "two hundred and five"."""
    one: frozenset[str] = frozenset()
    """Words for one before a word that multiplies, which else are no numbers: "a hundred"."""
    point: frozenset[str] = frozenset()
    """Words for the decimal mark."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Words after a decimal fraction, which name its last place: hundredths, 2."""
    nought: frozenset[str] = frozenset()
    """Words for 0 within years and after the decimal mark."""
    long_scale: bool = False
    """Whether a thousand millions are said so: "mil millones"."""
    pairs: bool = False
    """Whether years are said as two numbers: "nineteen ninety nine"."""
    ordinal_ending: str = ""
    """A regular expression for what follows digits: "1st"."""
    comma: bool = True
    """Whether the decimal mark is a comma, and thousands are set apart by stops or spaces."""
    signs: Mapping[str, str] = field(default_factory=dict)
    """Signs that are spoken as words."""
    phrases: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """Words that are written as a sign: percent, currencies."""

    def find(self, word: str) -> Numeral | None:
        return self.numerals.get(word) or self.compound(word)


def listed(
    words: str, values: Iterable[int], *, room: int = 0, ordinal: bool = False
) -> dict[str, Numeral]:
    """One word for each value; several forms of one are parted by strokes."""
    return {
        form: Numeral(value, room, ordinal=ordinal)
        for forms, value in zip(words.split(), values, strict=True)
        for form in forms.split("/")
    }


def multiplying(words: str, values: Iterable[int], *, ordinal: bool = False) -> dict[str, Numeral]:
    """As `listed`, for hundred and what is above."""
    return {
        form: Numeral(value, value, multiplies=True, ordinal=ordinal)
        for forms, value in zip(words.split(), values, strict=True)
        for form in forms.split("/")
    }


def phrases(text: str) -> dict[tuple[str, ...], str]:
    """From "sign: phrase, phrase; sign: phrase"."""
    found = {}
    for entry in text.split(";"):
        sign, _, named = entry.partition(":")
        for phrase in named.split(","):
            found[tuple(phrase.split())] = sign.strip()
    return found

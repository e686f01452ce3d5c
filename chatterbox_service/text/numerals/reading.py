"""Reads numbers: words in, digits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from chatterbox_service.text.numerals.vocabulary import HUNDRED, Numeral, Vocabulary

_ANY = 10**12
"""Above all that is read."""
_CENTURY, _CENTURIES_END = 10, 22
"""First halves of years, 1000 to 2199, and of times of day."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A number, and where it ends among the words."""

    value: Decimal
    end: int
    room: int = 0
    closed: bool = False
    """By an ordinal: nothing more belongs to it."""


def plain(number: Decimal) -> str:
    """Without an exponent, or zeros that say nothing."""
    if number == number.to_integral_value():
        return format(number.to_integral_value(), "f")
    return format(number.normalize(), "f")


def in_digits(words: Sequence[str], language: Vocabulary) -> list[str]:
    """Numbers in words, and figures that a word multiplies, each as one word of digits."""
    reader = _Reader(words, language)
    told: list[str] = []
    at = 0
    while at < len(words):
        number = reader.number(at)
        told.append(words[at] if number is None else plain(number.value))
        at = at + 1 if number is None else number.end
    return told


class _Reader:
    """number = (group scale)* group?; group = chain ("hundred" chain)?; chain = numeral+, each
    within the room that the one before it leaves."""

    def __init__(self, words: Sequence[str], language: Vocabulary) -> None:
        self._words = words
        self._language = language
        self._numerals = [language.find(word) for word in words]

    def number(self, at: int) -> _Read | None:
        """What begins there; None: no number, or figures that stay as they are written."""
        if self._at(at) is None and not self._multiplied(at + 1):
            return self._with_point(self._figures(at))
        whole = self._whole(at)
        if whole is None or whole.closed:
            return whole
        return self._year(at, whole) or self._with_point(whole) or whole

    def _whole(self, at: int) -> _Read | None:
        total, top, end = Decimal(0), _ANY, at
        while True:
            begin = self._joined(end, top) if end > at else at
            group = self._group(begin)
            after = group.end if group else self._past_one(begin)
            scale = None if group and group.closed else self._scale(after)
            if scale is None:
                if group is None or group.value >= top:
                    return _Read(total, end, top) if end > at else None
                return _Read(total + group.value, group.end, group.room, group.closed)
            if scale.value < top:
                total += (group.value if group else 1) * scale.value
            elif self._language.long_scale and total < scale.value:
                total = (total + (group.value if group else 0)) * scale.value
            else:
                return _Read(total, end, top)
            top, end = scale.value, after + 1
            if scale.ordinal:
                return _Read(total, end, closed=True)

    def _group(self, at: int) -> _Read | None:
        """Up to 999, figures, or what a language says in one word."""
        first = self._chain(at)
        after = first.end if first else self._past_one(at)
        if not self._is_hundred(after) or (first and (first.closed or first.value >= HUNDRED)):
            return first
        value = (first.value if first else Decimal(1)) * HUNDRED
        numeral = self._numerals[after]
        if numeral and numeral.ordinal:
            return _Read(value, after + 1, closed=True)
        rest = self._chain(self._joined(after + 1, HUNDRED))
        if rest is None or rest.value >= HUNDRED or rest.value == 0 or self._is_hundred(rest.end):
            return _Read(value, after + 1, HUNDRED)
        return _Read(value + rest.value, rest.end, rest.room, rest.closed)

    def _chain(self, at: int) -> _Read | None:
        figures = self._figures(at)
        if figures:
            return figures
        value, room, end = Decimal(0), _ANY, at
        while True:
            place = self._joined(end, room) if end > at else end
            numeral = self._at(place)
            if numeral is None or numeral.multiplies or not numeral.value < room:
                break
            if numeral.value == 0 and end > at:
                break
            value, room, end = value + numeral.value, numeral.room, place + 1
            if numeral.ordinal:
                return _Read(value, end, closed=True)
        return _Read(value, end, room) if end > at else None

    def _year(self, at: int, first: _Read) -> _Read | None:
        """Two numbers of two digits each, said one after the other."""
        century = self._language.pairs and _CENTURY <= first.value < _CENTURIES_END
        if not century or self._is_figures(at) or self._is_figures(first.end):
            return None
        if self._word(first.end) in self._language.nought:
            unit = self._at(first.end + 1)
            if unit is None or not 0 < unit.value < 10:
                return None
            return _Read(first.value * 100 + unit.value, first.end + 2, closed=True)
        second = self._group(first.end)
        if second is None or self._scale(second.end) or not 10 <= second.value < HUNDRED:
            return None
        return _Read(first.value * 100 + second.value, second.end, closed=True)

    def _with_point(self, whole: _Read | None) -> _Read | None:
        """A decimal fraction, and what multiplies it; None where none follows the number."""
        if whole is None or self._word(whole.end) not in self._language.point:
            return None
        digits, end = self._decimals(whole.end + 1)
        if not digits or whole.value != whole.value.to_integral_value():
            return None
        places = self._language.places.get(self._word(end), 0)
        value = whole.value + Decimal(f"0.{digits.zfill(places)}")
        end += 1 if places else 0
        scale = self._scale(end)
        return _Read(value * scale.value, end + 1) if scale else _Read(value, end)

    def _decimals(self, at: int) -> tuple[str, int]:
        """Digits after the decimal mark: said one by one, or as one number."""
        digits = ""
        while True:
            if self._word(at) in self._language.nought:
                digits, at = digits + "0", at + 1
                continue
            part = self._chain(at)
            if part is None or part.closed or part.value != part.value.to_integral_value():
                return digits, at
            written = self._word(at) if self._is_figures(at) else plain(part.value)
            digits, at = digits + written, part.end

    def _joined(self, at: int, room: int) -> int:
        """Past a word that may join what follows."""
        allowed = self._language.joiners.get(self._word(at), frozenset())
        return at + 1 if room in allowed else at

    def _past_one(self, at: int) -> int:
        return at + 1 if self._word(at) in self._language.one else at

    def _multiplied(self, at: int) -> bool:
        numeral = self._at(at)
        return numeral is not None and numeral.multiplies

    def _is_hundred(self, at: int) -> bool:
        numeral = self._at(at)
        return numeral is not None and numeral.multiplies and numeral.value == HUNDRED

    def _scale(self, at: int) -> Numeral | None:
        numeral = self._at(self._past_one(at))
        if numeral is None or not numeral.multiplies or numeral.value == HUNDRED:
            return None
        return numeral

    def _figures(self, at: int) -> _Read | None:
        if not self._is_figures(at):
            return None
        return _Read(Decimal(self._word(at)), at + 1)

    def _is_figures(self, at: int) -> bool:
        return self._word(at)[:1].isdecimal()

    def _word(self, at: int) -> str:
        return self._words[at] if at < len(self._words) else ""

    def _at(self, at: int) -> Numeral | None:
        return self._numerals[at] if at < len(self._words) else None

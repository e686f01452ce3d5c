"""Reads figures: "1,000,000", "3,14", "10:30"."""

from __future__ import annotations

import re
from decimal import Decimal

from chatterbox_service.text.numerals.reading import plain

_NARROW = "\u00a0\u2009\u202f"
_GROUPED = re.compile(rf"(?<![\d.,])(\d{{1,3}})((?:[{_NARROW}]\d{{3}})+)(?!\d)")
_SPACE_GROUPED = re.compile(rf"(?<![\d.,])(\d{{1,3}})((?:[ {_NARROW}]\d{{3}})+)(?!\d)")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")


def ungrouped(text: str, *, comma: bool) -> str:
    """Without the spaces that set thousands apart: narrow ones, where the mark is a comma any."""
    pattern = _SPACE_GROUPED if comma else _GROUPED
    return pattern.sub(lambda found: re.sub(r"\D", "", found[0]), text)


def split_figures(figures: str, *, comma: bool, pairs: bool) -> list[str]:
    """The numbers in a run of digits, stops, commas and colons, each in one form.

    A time of day is one number where years are said as two, because it is said just like them.
    """
    if ":" in figures:
        return _clock(figures.split(":"), comma=comma, pairs=pairs)
    mark, other = (",", ".") if comma else (".", ",")
    if figures.count(mark) == 1 and figures.count(other) == 0:
        return [_decimal(*figures.split(mark))]
    found = _THOUSANDS.fullmatch(figures)
    if found:
        whole, _, rest = _parted(figures, found[1])
        return [_decimal(whole, rest)]
    if figures.count(other) == 1 and figures.count(mark) == 0:
        return [_decimal(*figures.split(other))]
    return [part for part in re.split(r"[.,]", figures) if part]


def _parted(figures: str, group: str) -> tuple[str, str, str]:
    """Whole part and decimals of a number whose thousands are set apart by `group`."""
    return figures.replace(group, "").partition("," if group == "." else ".")


def _decimal(whole: str, decimals: str) -> str:
    if not decimals:
        return whole
    return plain(Decimal(f"{whole}.{decimals}"))


def _clock(parts: list[str], *, comma: bool, pairs: bool) -> list[str]:
    if pairs and len(parts) == 2 and re.fullmatch(r"1\d|2[01]", parts[0]):
        minutes = parts[1]
        if re.fullmatch(r"[0-5]\d", minutes):
            return [parts[0] if minutes == "00" else parts[0] + minutes]
    return [
        number for part in parts for number in split_figures(part, comma=comma, pairs=pairs) if part
    ]

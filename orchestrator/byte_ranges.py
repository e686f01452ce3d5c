"""HTTP Range (RFC 9110, section 14) for one range, as players and resumed downloads ask. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$", re.ASCII)
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Whole:
    """No range, or one we need not honour: the whole file, 200."""


@dataclass(frozen=True, slots=True)
class Part:
    """`first` to `last` inclusive: 206."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A range outside the file: 416."""


def parse(header: str | None, size: int) -> Whole | Part | Unsatisfiable:
    """What a Range header asks of `size` bytes. Several ranges at once: the whole file."""
    found = _ONE_RANGE.match(header or "")
    if found is None:
        return Whole()
    first, last = found.groups()
    if (not first and not last) or len(first) > _MOST_DIGITS or len(last) > _MOST_DIGITS:
        return Whole()
    if not first:
        return _suffix(int(last), size)
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < begin:
        return Whole()
    return Part(begin, end) if begin < size else Unsatisfiable()


def _suffix(length: int, size: int) -> Part | Unsatisfiable:
    if length == 0 or size == 0:
        return Unsatisfiable()
    return Part(max(0, size - length), size - 1)

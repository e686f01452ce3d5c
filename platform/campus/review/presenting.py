"""The lines of a dub as the review page shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from campus.voiceovers.models import Utterance

FASTER = 1.1
"""From this rate on a listener notices."""

LATE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `jump`: where the players go when it is clicked."""

    row: Utterance
    number: int
    jump: float
    flags: tuple[str, ...]

    @property
    def blocked(self) -> bool:
        return bool(self.row.blocker)

    @property
    def flagged(self) -> bool:
        return self.blocked or bool(self.flags)


def lines(rows: Iterable[Utterance]) -> list[Line]:
    """All lines of a dub, in order."""
    return [line(row, number) for number, row in enumerate(rows, start=1)]


def line(row: Utterance, number: int) -> Line:
    """One line."""
    at = row.placed_at if row.placed_at is not None else row.start
    return Line(row, number, min(row.start, at), flags(row.rate, row.lateness))


def flags(rate: float | None, lateness: float | None) -> tuple[str, ...]:
    """What is worth a second listen about a line that is in the dub."""
    found = []
    if rate is not None and rate >= FASTER:
        found.append(f"sped up {rate:.2f}×".replace("0×", "×"))
    if lateness is not None and lateness >= LATE_SECONDS:
        found.append(f"late {lateness:.1f} s")
    return tuple(found)

"""Which of the lines that wait are spoken next, together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ticket:
    """A line that waits. `owner`: whose it is; `order`: the lower, the longer it has waited."""

    owner: str
    order: int
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    """A batch's: its number of lines, and what their number times the largest size comes to."""

    most: int
    budget: int

    def hold(self, number: int, largest: int) -> bool:
        return number <= self.most and number * largest <= self.budget


def next_round(waiting: Sequence[Ticket], turns: Mapping[str, int], limits: Limits) -> list[int]:
    """Places in `waiting` of the lines to speak together; none only when nothing waits.

    `turns`: when each owner last had a turn; who has had none, or none for the longest, is next, so
    that whoever has a thousand lines keeps nobody with one waiting for them all. Whose turn it is
    gives its smallest lines: those of like size lie next to each other, and little is wasted on
    padding. What room is left goes to others' lines that are no larger, for they cost nothing. A
    line that is too large for any batch is spoken alone.
    """
    if not waiting:
        return []
    owner = _next_owner(waiting, turns)
    by_size = sorted(range(len(waiting)), key=lambda at: (waiting[at].size, waiting[at].order))
    own = [at for at in by_size if waiting[at].owner == owner]
    chosen = own[:1]
    for at in own[1:]:
        if not limits.hold(len(chosen) + 1, waiting[at].size):
            break
        chosen.append(at)
    largest = waiting[chosen[-1]].size
    others = [at for at in by_size if waiting[at].owner != owner and waiting[at].size <= largest]
    # The largest of those that fit: they waste the least.
    while others and limits.hold(len(chosen) + 1, largest):
        chosen.append(others.pop())
    return chosen


def _next_owner(waiting: Sequence[Ticket], turns: Mapping[str, int]) -> str:
    first = min(waiting, key=lambda ticket: (turns.get(ticket.owner, -1), ticket.order))
    return first.owner

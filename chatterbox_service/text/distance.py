"""How many words or letters have to change for one text to become another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence


def edits(wanted: Sequence[Hashable], heard: Sequence[Hashable]) -> int:
    """Levenshtein's distance: the fewest insertions, deletions and substitutions.

    Myers's bit vectors ("A fast bit-vector algorithm for approximate string matching", 1999, as
    simplified by Hyyrö, 2003): one column of the table in one integer, so 5,000 letters against
    5,000 take milliseconds, not seconds.
    """
    if not wanted:
        return len(heard)
    places: defaultdict[Hashable, int] = defaultdict(int)
    for at, symbol in enumerate(wanted):
        places[symbol] |= 1 << at
    whole = (1 << len(wanted)) - 1
    last = 1 << (len(wanted) - 1)
    up, down, distance = whole, 0, len(wanted)
    for symbol in heard:
        match = places.get(symbol, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right_up = down | (whole & ~(diagonal | up))
        right_down = up & diagonal
        if right_up & last:
            distance += 1
        elif right_down & last:
            distance -= 1
        right_up = (right_up << 1 | 1) & whole
        right_down = (right_down << 1) & whole
        up = right_down | (whole & ~(diagonal | right_up))
        down = right_up & diagonal
    return distance

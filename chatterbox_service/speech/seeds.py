"""A seed for every take, from the one that the client gave. Pure."""

from __future__ import annotations

import hashlib

LARGEST = 2**31 - 1
"""What every engine takes."""


def seed_of(seed: int, piece: int, candidate: int) -> int:
    """The first take of the first piece has the client's own: what was heard can be asked for."""
    if piece == 0 and candidate == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{piece}:{candidate}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & LARGEST

"""What both directions have in common."""

from __future__ import annotations

from collections.abc import Callable

import requests

Wait = Callable[[float], None]
"""`wait(seconds)` waits between two tries, and raises when the file is no longer wanted. `wait(0)`
only looks; it is called for every piece."""

Share = Callable[[float], None]
"""Told how much is done, 0 to 1."""

PIECE_BYTES = 1 << 16

MOST_REFUSED = 5
"""So often in a row an answer may be no. A site that is away is not counted: it will be back."""


class Expired(Exception):
    """The signed URL is not valid any more."""


def nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The URL itself is the proof; the node's token, or a .netrc's, is nobody's business there."""
    return request

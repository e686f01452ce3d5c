"""What people write when they send something back to somebody. Pure."""

from __future__ import annotations

from unicodedata import category

from campus.refusals import Refused

LONGEST = 4000
_KEPT = "\n\t"


def tidy_reason(text: str, missing: str) -> str:
    """The text without what cannot be shown or stored. Raises Refused; `missing` if there is none.

    Browsers hold people to the length; a line break counts as one there, and is sent as two.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    tidy = "".join(c for c in lines if c in _KEPT or category(c) not in ("Cc", "Cs")).strip()
    if not tidy:
        raise Refused(missing)
    if len(tidy) > LONGEST:
        raise Refused(f"Write at most {LONGEST} characters.")
    return tidy

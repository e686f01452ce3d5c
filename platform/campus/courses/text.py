"""Text that people type or that comes with their files. Pure."""

from __future__ import annotations

import re
from unicodedata import category, normalize

# Marks that change the direction of what follows, also outside the text they are in.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def shown(text: str) -> bool:
    """Whether all of it can be shown on one line: no control characters, no turned directions."""
    return not _DIRECTION.search(text) and not any(category(c) in ("Cc", "Cs") for c in text)


def visible(text: str) -> bool:
    """Whether any of it leaves a mark: letters, digits, punctuation, symbols."""
    return any(category(c)[0] in "LNPS" for c in text)


def tidy(text: str) -> str:
    """One line, composed characters, single spaces."""
    return " ".join(normalize("NFC", text).split())


def tidy_file_name(name: str, longest: int) -> str:
    """A name to show and to download under, whatever the uploader's computer called it."""
    name = re.split(r"[/\\]", name)[-1]
    name = tidy("".join(c for c in name if category(c)[0] != "C"))
    if len(name) <= longest:
        return name or "unnamed"
    end = suffix(name)
    return name[: longest - len(end) - 1] + "…" + end


def suffix(name: str) -> str:
    """The ending of a file name, lower-case, if it looks like one."""
    _, dot, end = name.rpartition(".")
    found = f".{end.lower()}" if dot else ""
    return found if _SUFFIX.fullmatch(found) else ""

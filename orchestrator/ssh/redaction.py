"""Takes out of a node's log what proves who somebody is. Pure.

The node's own program does the same before it writes; this is for the programs beside it. A secret
of a shape that nobody thought of is not found: logs are for operators only all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_REMOVED = "(removed)"
_SHORTEST_SECRET = 8
"""A shorter word would be struck out of ordinary text as well."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")
_PASSWORD = re.compile(r"(://)[^/@\s'\"]+@")
_SCHEME = re.compile(r"\b((?:bearer|basic)[\s:=]+)[^\s'\",]+", re.IGNORECASE)
_NAMED = re.compile(
    r"""(?P<name>[A-Za-z0-9_.-]*
        (?:token|passw(?:or)?d|secret|signature|credential|api[_-]?key|private[_-]?key|cookie)
        [A-Za-z0-9_.-]*
        ["']?\s*[=:]\s*)
        (?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without keys, query strings, passwords, tokens, the given secrets and colours."""
    text = _CONTROL.sub("", text)
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _REMOVED)
    text = _PRIVATE_KEY.sub(_REMOVED, text)
    text = _QUERY.sub(f"?{_REMOVED}", text)
    text = _PASSWORD.sub(rf"\1{_REMOVED}@", text)
    text = _SCHEME.sub(rf"\1{_REMOVED}", text)
    return _NAMED.sub(rf"\g<name>{_REMOVED}", text)

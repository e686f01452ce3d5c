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
_END_OF_A_KEY = re.compile(r"\A.*-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
"""One whose beginning is not here: what we have of the log begins within the key."""
_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")
_LOGIN = re.compile(r"://(?P<login>[^\s'\"]*)@(?P<rest>[^\s'\"]*)")
"""To the last @: a password that was not quoted as it should be may hold any sign."""
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
    text = _END_OF_A_KEY.sub(_REMOVED, text)
    text = _LOGIN.sub(_without_login, text)
    text = _QUERY.sub(f"?{_REMOVED}", text)
    text = _SCHEME.sub(rf"\1{_REMOVED}", text)
    return _NAMED.sub(rf"\g<name>{_REMOVED}", text)


def _without_login(url: re.Match[str]) -> str:
    """Where a query may have begun before the last @, what follows may belong to it."""
    if "?" in url["login"]:
        return f"://{_REMOVED}"
    return f"://{_REMOVED}@{url['rest']}"

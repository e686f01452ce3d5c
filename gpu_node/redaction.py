"""Keeps secrets out of logs: what signs a URL, what proves who we are."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_REMOVED = "(removed)"
_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")
_LOGIN = re.compile(r"://(?P<login>[^\s'\"]*)@(?P<rest>[^\s'\"]*)")
"""To the last @: a password that was not quoted as it should be may hold any sign."""
_BEARER = re.compile(r"(bearer[\s:=]+)[^\s'\",]+", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""A shorter word would be struck out of ordinary text as well."""

_CHATTY = ("urllib3", "urllib3.connectionpool", "urllib3.connection", "requests")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without query strings, passwords in URLs, bearer tokens and the given secrets."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _REMOVED)
    text = _LOGIN.sub(_without_login, text)
    text = _QUERY.sub(f"?{_REMOVED}", text)
    return _BEARER.sub(rf"\1{_REMOVED}", text)


def _without_login(url: re.Match[str]) -> str:
    """Where a query may have begun before the last @, what follows may belong to it."""
    if "?" in url["login"]:
        return f"://{_REMOVED}"
    return f"://{_REMOVED}@{url['rest']}"


class Redacting(logging.Filter):
    """Redacts what a logger is about to say."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


def redact_http_logs() -> None:
    """The HTTP libraries name whole URLs in some messages."""
    for name in _CHATTY:
        logger = logging.getLogger(name)
        if not any(isinstance(one, Redacting) for one in logger.filters):
            logger.addFilter(Redacting())

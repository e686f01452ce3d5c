"""Logs as one JSON object per line, without what must not be read there."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

# Signed URLs are keys: whoever reads the query string can use them.
_QUERY = re.compile(r"(?<=[\w/])\?[\w.~%-]+=[^\s\"'<>)]*")
_STANDARD = frozenset(vars(logging.makeLogRecord({})))
_OWN = frozenset({"message", "asctime", "request", "response", "server_time"})


def without_queries(text: str) -> str:
    """The text with the query string of every address left out."""
    return _QUERY.sub("?…", text)


class NoQueries(logging.Filter):
    """Takes query strings out of a record, its arguments included."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        clean = without_queries(said)
        if clean != said:
            record.msg, record.args = clean, None
        return True


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = vars(record).keys() - _STANDARD - _OWN
        line |= {name: str(vars(record)[name]) for name in sorted(extra)}
        if record.exc_info:
            line["error"] = without_queries(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)

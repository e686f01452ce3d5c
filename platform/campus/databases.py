"""DATABASE_URL as Django wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gpu_node.contracts.settings import SettingError

_BUSY_SECONDS = 20
_WRONG = (
    "DATABASE_URL is wrong: write sqlite:///folder/file or postgresql://user:password@host/name."
)


def database(url: str, default_file: Path) -> dict[str, Any]:
    """Django's settings for one database. Raises SettingError, never naming the password."""
    if not url:
        return _sqlite(default_file)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingError(_WRONG) from None
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        # sqlite:///a is relative, sqlite:////a absolute.
        return _sqlite(Path(unquote(parts.path[1:])).absolute())
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("postgresql", "postgres") or not name:
        raise SettingError(_WRONG)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, **dict(parse_qsl(parts.query))},
    }


def _sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": {
            # A transaction that reads and then writes must hold the write lock from its beginning:
            # one that asks for it later is refused at once, without waiting for its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": _BUSY_SECONDS,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }

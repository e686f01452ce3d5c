"""Secrets that are made once for a site and kept beside its data, for its owner's eyes only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe


def long_secret() -> str:
    """For machines."""
    return token_urlsafe(48)


def password() -> str:
    """For people: short enough to type."""
    return token_urlsafe(9)


def kept(file: Path, make: Callable[[], str] = long_secret) -> str:
    """The secret in this file, made if there is none yet."""
    try:
        if found := file.read_text(encoding="utf-8").strip():
            return found
    except FileNotFoundError:
        pass
    made = make()
    write_private(file, made)
    return made


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read; it is there as a whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

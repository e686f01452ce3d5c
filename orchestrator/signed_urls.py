"""URLs that let their holder read or write one blob until a moment, and nothing else."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlencode

from django.conf import settings

from gpu_node.contracts.blobs import Blob

BLOB_ROOT = "/blobs"
_SALT = b"orchestrator.signed_urls:"


class Use(StrEnum):
    READ = "r"
    WRITE = "w"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a URL allows."""

    use: Use
    digest: str
    size: int
    expires: int
    """Unix seconds."""


def sign(base: str, use: Use, blob: Blob, now: datetime, seconds: float) -> str:
    """A URL below `base` that allows `use` of the blob for `seconds`."""
    grant = Grant(use, blob.digest, blob.size, int(now.timestamp() + seconds))
    query = urlencode({"u": grant.use, "n": grant.size, "e": grant.expires, "s": _signature(grant)})
    return f"{base.rstrip('/')}{BLOB_ROOT}/{blob.digest}?{query}"


def check(digest: str, query: dict[str, str], now: datetime) -> Grant | None:
    """What a URL allows now; None when it is tampered with, malformed or expired."""
    try:
        grant = Grant(Use(query["u"]), digest, int(query["n"]), int(query["e"]))
    except (KeyError, ValueError):
        return None
    given = query.get("s", "")
    if not given.isascii() or not hmac.compare_digest(_signature(grant), given):
        return None
    return grant if now.timestamp() <= grant.expires else None


def _signature(grant: Grant) -> str:
    said = f"{grant.use}:{grant.digest}:{grant.size}:{grant.expires}".encode()
    key = sha256(_SALT + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, said, sha256).hexdigest()

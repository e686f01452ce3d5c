"""JSON from outside, as values that can be written down anywhere. Pure.

Python reads more than JSON is (NaN, Infinity), and JSON may say more than a database takes:
PostgreSQL refuses NUL in any text, and half a surrogate pair is no text at all. A node that was
answered with an error for such a letter would send the same again for ever.
"""

from __future__ import annotations

import json
import math
from typing import Any

_DEEPEST = 100


def parse(body: bytes) -> Any:
    """The value, without NUL and half surrogates in its text. Raises ValueError."""
    return _storable(json.loads(body, parse_float=_finite, parse_constant=_refuse), _DEEPEST)


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise ValueError("too deep")
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    return {_storable(key, 0): _storable(item, depth - 1) for key, item in value.items()}


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(_: str) -> float:
    raise ValueError("not a number that JSON knows")

"""Puts the pieces of a text together again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chatterbox_service.ports import Samples
from chatterbox_service.sound.fading import faded

FADE_SECONDS = 0.005


def joined(parts: Sequence[Samples], pauses: Sequence[float], rate: int) -> Samples:
    """The parts in order, each followed by its pause: seconds of digital silence.

    One pause for each part. Exactly as long as the parts and the rounded pauses together; nothing
    changes but the 5 ms on both sides of each join, which are faded. Raises ValueError when there
    are not as many pauses as parts, or one is negative.
    """
    if len(parts) != len(pauses):
        raise ValueError("every part needs a pause after it")
    if any(pause < 0 for pause in pauses):
        raise ValueError("a pause cannot be negative")
    fade = round(FADE_SECONDS * rate)
    pieces: list[Samples] = [np.zeros(0, dtype=np.float32)]
    for at, (part, pause) in enumerate(zip(parts, pauses, strict=True)):
        pieces.append(faded(part, fade, start=at > 0, end=at + 1 < len(parts)))
        pieces.append(np.zeros(round(pause * rate), dtype=np.float32))
    return np.concatenate(pieces)

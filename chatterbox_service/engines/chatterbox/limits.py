"""How long a line may go on before it counts as lost. Pure."""

from __future__ import annotations

import math

from chatterbox_service.engines.chatterbox.facts import MOST_TOKENS, TOKENS_PER_SECOND

_SLOWEST = 9.0
"""Characters per second of slow speech; 14 to 16 are usual in alphabets."""
_SLOWEST_OF = {"zh": 2.5, "ja": 3.0, "ko": 3.0}
"""Where a character is a syllable, or a word."""
_PAUSES = 2.0
"""Seconds before, after and between."""
_DIGIT = 6
"""Characters that a digit is spoken as."""


def most_tokens(text: str, language: str) -> int:
    """Speech tokens after which a line of this text is a runaway; never more than upstream's 40 s.

    Twice what is usual, or thereabouts: memory is claimed for all of it. [guess: not measured]
    """
    letters = sum(_DIGIT if character.isdigit() else character.isalnum() for character in text)
    marks = sum(not character.isalnum() for character in text)
    seconds = _PAUSES + (letters + marks) / _SLOWEST_OF.get(language, _SLOWEST)
    return min(MOST_TOKENS, math.ceil(seconds * TOKENS_PER_SECOND))


def runaway(most: int) -> str:
    """What is said of a line that reached its bound."""
    seconds = round(most / TOKENS_PER_SECOND)
    if most >= MOST_TOKENS:
        return (
            f"The line did not end within {seconds} s, the most there is: divide it and try again."
        )
    return f"The line did not end within {seconds} s, as its text should: try another seed."

"""From what is read to what is said."""

from __future__ import annotations

import re

_BRACKETED = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫#][^♪♫#]*[♪♫#]")
_DIALOGUE_DASH = re.compile(r"(?m)^\s*[-–—]\s*(?=\w)")


def is_speech(text: str) -> bool:
    """Whether anything of it is said aloud: "[music]", "♪♪" and "…" are not."""
    return any(character.isalnum() for character in _BRACKETED.sub(" ", text))


def spoken_form(text: str) -> str:
    """The words to say: one line, no sound labels, no dashes that only mark a speaker.

    Labels go only when something is left without them: "(sic)" alone is said.
    """
    text = _DIALOGUE_DASH.sub("", text)
    without_labels = " ".join(_BRACKETED.sub(" ", text).split())
    if any(character.isalnum() for character in without_labels):
        return without_labels
    return " ".join(text.split())

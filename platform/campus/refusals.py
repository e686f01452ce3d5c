"""What a person asked for and does not get."""

from __future__ import annotations


class Refused(Exception):
    """`sentence` is shown as it stands: what is wrong, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

"""How well what was heard agrees with what was wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from chatterbox_service.text.distance import edits
from chatterbox_service.text.normalising import SPACELESS, words

_BY_CHARACTERS = SPACELESS | {"ko"}
"""Korean has spaces, but writers and recognisers disagree about where."""

_WORDS_WEIGH, _LETTERS_WEIGH = 1, 2


def score(wanted: str, heard: str, language: str, lexicon: Mapping[str, str] = {}) -> int:
    """0 to 100: 100 when the normalised words agree, 0 when nothing was heard.

    100 × (1 - (WER + 2 × CER) / 3), rounded down, and not below 0. WER and CER are the edits
    between the words, and between the letters without spaces, over how many were wanted. Letters
    weigh double, so a misspelt name costs a little and a missing word its length; a compound that
    one side writes apart costs nothing. What is said beyond the wanted costs as much as what is
    missing: the score is not symmetric, and twice the text is worth nothing. Chinese, Japanese,
    Korean, Thai and others without firm spaces are compared by letters alone: 100 × (1 - CER).
    `lexicon`, `language`: see `normalising.words`.
    """
    asked, told = words(wanted, language, lexicon), words(heard, language, lexicon)
    if not asked or not told:
        return 100 if asked == told else 0
    letters, said = "".join(asked), "".join(told)
    wrong = edits(letters, said)
    if language in _BY_CHARACTERS:
        return max(0, 100 * (len(letters) - wrong) // len(letters))
    known = {*asked, *told}
    asked, told = _rejoined(asked, known), _rejoined(told, known)
    whole = (_WORDS_WEIGH + _LETTERS_WEIGH) * len(asked) * len(letters)
    error = _WORDS_WEIGH * edits(asked, told) * len(letters) + _LETTERS_WEIGH * wrong * len(asked)
    return max(0, 100 * (whole - error) // whole)


def _rejoined(parts: Sequence[str], known: Set[str]) -> list[str]:
    """Two or three words as one where one of the texts has them so: nobody hears a space."""
    done: list[str] = []
    at = 0
    while at < len(parts):
        length = next((n for n in (3, 2) if "".join(parts[at : at + n]) in known), 1)
        done.append("".join(parts[at : at + length]))
        at += length
    return done

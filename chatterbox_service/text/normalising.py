"""Brings what was asked for and what a recogniser wrote into one form, to be compared.

Numbers become digits, not words: there are many ways to say 1999 and only one to write it, and
cases and genders then need no grammar, only a table of forms. A word that is also a number ("one",
"un") becomes a digit on both sides, which changes no comparison.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from chatterbox_service.text.numerals.figures import split_figures, ungrouped
from chatterbox_service.text.numerals.languages import vocabulary
from chatterbox_service.text.numerals.reading import in_digits
from chatterbox_service.text.numerals.vocabulary import Vocabulary

SPACELESS = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
"""Languages that put no spaces between words: there every character is a word."""

_CURRENCIES = "$€£¥₽¢"
_SIGNS = "%" + _CURRENCIES
_APOSTROPHES = "'’ʼ`´"

_STRESS = re.compile("[\u0300\u0301]")
_POINTING = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u0640]"
)
"""Hebrew points, Arabic vowels and its lengthening stroke: hardly anybody writes them."""
_INITIALS = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.)+[^\W\d_](?![^\W_])")
_LETTER_AND_WORD = re.compile(r"(?<![\w-])([a-z])[-‐‑](?=[a-z]{2})")
_APOSTROPHE = re.compile(rf"(?<=\w)[{_APOSTROPHES}](?=\w)")
_MINUS = re.compile(r"(?<![\w)-])[-−](?=\d)")
_WORD = re.compile(rf"\d(?:[\d.,:]*\d)?|[{_SIGNS}]|[^\s\d{_SIGNS}.,:]+")


def words(text: str, language: str, lexicon: Mapping[str, str] = {}) -> list[str]:
    """The words in folded form: no case, punctuation or stress marks, ё as е, numbers in digits.

    `lexicon`: how terms are said ("SQL": "sequel"); said so they become the term. Percent and
    currencies become signs, after their number. In languages without spaces letters come one by
    one. `language` is a primary subtag, in lower case.
    """
    told = _words(text, language)
    spoken = [(_entry(said, language), _entry(term, language)) for term, said in lexicon.items()]
    return _terms(told, [(said, term) for said, term in spoken if said and term])


@lru_cache(maxsize=20_000)
def _entry(text: str, language: str) -> tuple[str, ...]:
    """One of a lexicon's: the same for every line that is compared."""
    return tuple(_words(text, language))


def _words(text: str, language: str) -> list[str]:
    known = vocabulary(language)
    found = list(_split(_folded(text, language, known), known))
    signed = _signs(found, known)
    counted = _amounts(in_digits(signed, known), known)
    if language in SPACELESS:
        return [part for word in counted for part in _characters(word)]
    return _spelt(counted)


def _folded(text: str, language: str, known: Vocabulary) -> str:
    text = ungrouped(text, comma=known.comma)
    for sign, word in known.signs.items():
        text = (_MINUS.sub if sign == "-" else re.compile(re.escape(sign)).sub)(f" {word} ", text)
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFC", _POINTING.sub("", text))
    if language == "ru":
        text = unicodedata.normalize("NFC", _STRESS.sub("", text.replace("ё", "е")))
    text = _STRESS.sub("", text)
    text = _INITIALS.sub(lambda found: found[0].replace(".", ""), text)
    text = _APOSTROPHE.sub("", _LETTER_AND_WORD.sub(r"\1", text))
    if known.ordinal_ending:
        text = re.sub(rf"(?<=\d)(?:{known.ordinal_ending})(?!\w)", "", text)
    return text


def _split(text: str, known: Vocabulary) -> Iterator[str]:
    for found in _WORD.findall("".join(map(_kept, text))):
        if found[0].isdecimal():
            yield from split_figures(found, comma=known.comma, pairs=known.pairs)
        else:
            yield found


def _kept(character: str) -> str:
    """The character, in one form, or a space for what is nothing of a word."""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category == "Cf":
        return ""
    if category[0] in "LMN" or character in _SIGNS + ".,:":
        return character
    return " "


def _signs(found: Sequence[str], known: Vocabulary) -> list[str]:
    """Phrases that have a sign as the sign; signs that the language has no phrases for go."""
    told: list[str] = []
    at = 0
    while at < len(found):
        for length in (2, 1):
            sign = known.phrases.get(tuple(found[at : at + length]))
            if sign:
                break
        else:
            sign, length = found[at], 1
        if known.phrases or sign not in _SIGNS:
            told.append(sign)
        at += length
    return told


def _amounts(told: list[str], known: Vocabulary) -> list[str]:
    """ "$5.50" as it is said: five dollars, fifty cents."""
    done: list[str] = []
    at = 0
    while at < len(told):
        pair = told[at : at + 2]
        amount = _amount(pair)
        if amount is None:
            done.append(told[at])
            at += 1
            continue
        done += amount
        at += 2
    joining = known.signs.get("&")
    return [
        word
        for place, word in enumerate(done)
        if not (word == joining and _in_amount(done[max(0, place - 1) : place + 3]))
    ]


def _amount(pair: Sequence[str]) -> list[str] | None:
    if len(pair) < 2 or pair[0][0].isdecimal() == pair[1][0].isdecimal():
        return None
    sign, number = sorted(pair, key=lambda word: word[0].isdecimal())
    if sign not in _CURRENCIES:
        return None
    whole, _, cents = number.partition(".")
    if 0 < len(cents) <= 2:
        return [whole, sign, str(int(cents.ljust(2, "0"))), "¢"]
    return [number, sign]


def _in_amount(near: Sequence[str]) -> bool:
    """Dollars, "and", a number, cents."""
    return len(near) == 4 and near[0] in _CURRENCIES and near[3] == "¢"


def _spelt(told: Sequence[str]) -> list[str]:
    """Letters said one by one as one word: "S Q L" is "sql"."""
    done: list[str] = []
    letters = False
    for word in told:
        letter = len(word) == 1 and "a" <= word <= "z"
        if letter and letters:
            done[-1] += word
        else:
            done.append(word)
        letters = letter
    return done


def _characters(word: str) -> list[str]:
    return [word] if word.isascii() else list(word)


def _terms(told: list[str], spoken: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]) -> list[str]:
    """Terms that are said in their own way as they are written; the longest first."""
    ordered = sorted(spoken, key=lambda entry: len(entry[0]), reverse=True)
    done: list[str] = []
    at = 0
    while at < len(told):
        for said, term in ordered:
            if tuple(told[at : at + len(said)]) == said:
                done += term
                at += len(said)
                break
        else:
            done.append(told[at])
            at += 1
    return done

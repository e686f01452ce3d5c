"""German numbers: below a million they are one word."""

from __future__ import annotations

import re

from chatterbox_service.text.numerals.vocabulary import (
    HUNDRED,
    MILLIARD,
    MILLION,
    THOUSAND,
    Numeral,
    Vocabulary,
    listed,
    multiplying,
    phrases,
)

# "ß" is folded to "ss".
_UNITS_SAID = "ein zwei drei vier fünf sechs sieben acht neun"
_TEENS_SAID = "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
_TENS_SAID = "zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig"

_UNITS = dict(zip(_UNITS_SAID.split(), range(1, 10), strict=True)) | {"zwo": 2, "eins": 1}
_TEENS = dict(zip(_TEENS_SAID.split(), range(10, 20), strict=True))
_TENS = dict(zip(_TENS_SAID.split(), range(20, 100, 10), strict=True))


def _either(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_BELOW_100 = (
    rf"(?:(?P<{{0}}teen>{_either(_TEENS)})"
    rf"|(?:(?P<{{0}}unit>{_either(_UNITS)})und)?(?P<{{0}}tens>{_either(_TENS)})"
    rf"|(?P<{{0}}alone>{_either(_UNITS)}))"
)
_WORD = re.compile(
    rf"(?:(?:{_BELOW_100.format('a')}?(?P<ahundred>hundert)(?:und)?)?{_BELOW_100.format('b')}?"
    r"(?P<thousand>tausend)(?:und)?)?"
    rf"(?:{_BELOW_100.format('c')}?(?P<chundred>hundert)(?:und)?)?{_BELOW_100.format('d')}?"
)
_ORDINAL = re.compile(r"st(?:e[rnsm]?)$")
_SHORT_ORDINAL = re.compile(r"te[rnsm]?$")
_IRREGULAR = {"er": "eins", "drit": "drei", "sieb": "sieben", "ach": "acht"}


def compound(word: str) -> Numeral | None:
    """ "dreiundzwanzig", "neunzehnhundertneunundneunzig", "zweitausendste"."""
    whole = _cardinal(word)
    if whole is not None:
        return whole
    for ending in (_ORDINAL, _SHORT_ORDINAL):
        stem, found = ending.subn("", word)
        base = _cardinal(_regular(stem)) if found else None
        if base is not None:
            return Numeral(base.value, ordinal=True)
    return None


def _regular(stem: str) -> str:
    """The cardinal of an ordinal's stem: "hundertdrit", "hundertdrei"."""
    for irregular, regular in _IRREGULAR.items():
        if stem == irregular or stem.endswith(("hundert" + irregular, "tausend" + irregular)):
            return stem.removesuffix(irregular) + regular
    return stem


def _cardinal(word: str) -> Numeral | None:
    found = _WORD.fullmatch(word)
    if not word or found is None:
        return None
    parts = found.groupdict()
    upper = _group(parts, "a", "b") if parts["thousand"] else 0
    lower = _group(parts, "c", "d")
    value = (upper or 1) * THOUSAND + lower if parts["thousand"] else lower
    if not any(parts[f"d{kind}"] for kind in ("teen", "tens", "alone")):
        return Numeral(value, HUNDRED if parts["chundred"] else THOUSAND)
    return Numeral(value)


def _group(parts: dict[str, str | None], hundreds: str, rest: str) -> int:
    above = (_below(parts, hundreds) or 1) * HUNDRED if parts[f"{hundreds}hundred"] else 0
    return above + _below(parts, rest)


def _below(parts: dict[str, str | None], name: str) -> int:
    teen, unit, tens, alone = (
        parts[name + kind] or "" for kind in ("teen", "unit", "tens", "alone")
    )
    return _TEENS.get(teen, 0) + _UNITS.get(unit, 0) + _TENS.get(tens, 0) + _UNITS.get(alone, 0)


GERMAN = Vocabulary(
    numerals={
        **listed("null eins/ein/eine/einen/einem/einer/eines", range(2)),
        **multiplying(
            "hundert tausend million/millionen milliarde/milliarden",
            (HUNDRED, THOUSAND, MILLION, MILLIARD),
        ),
    },
    compound=compound,
    joiners={"und": frozenset({HUNDRED, THOUSAND, MILLION})},
    point=frozenset({"komma", "punkt"}),
    signs={"&": "und", "+": "plus", "=": "gleich", "№": "nummer", "°": "grad", "-": "minus"},
    phrases=phrases(
        "%: prozent; $: dollar; €: euro, euros; £: pfund; ¥: yen, yuan; ₽: rubel; ¢: cent, cents"
    ),
)

"""Says whole numbers below a thousand million in words: plain grammar, nothing of the reader's."""

from __future__ import annotations

import re
from collections.abc import Callable


def _listed(words: str) -> list[str]:
    return words.split()


_EN = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_EN_TENS = _listed(". . twenty thirty forty fifty sixty seventy eighty ninety")
_RU = _listed(
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
    "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
)
_RU_TENS = _listed(
    ". . двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто"
)
_RU_HUNDREDS = _listed(". сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")
_ES = _listed(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_ES_TENS = _listed(". . . treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_ES_HUNDREDS = _listed(
    ". ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
)
_DE = _listed(
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn"
)
_DE_TENS = _listed(". . zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_FR = _listed(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf"
)
_FR_TENS = _listed(". . vingt trente quarante cinquante soixante")


def english(n: int) -> str:
    if n >= 1000:
        return _scaled(n, english, [(10**6, "million"), (1000, "thousand")])
    if n >= 100:
        rest = f" and {english(n % 100)}" if n % 100 else ""
        return f"{_EN[n // 100]} hundred{rest}"
    if n >= 20:
        return _EN_TENS[n // 10] + (f"-{_EN[n % 10]}" if n % 10 else "")
    return _EN[n]


def russian(n: int) -> str:
    if n >= 10**6:
        return _scaled(n, russian, [(10**6, "миллионов")])
    if n >= 1000:
        head = re.sub(r"\bодин$", "одна", russian(n // 1000)) if n >= 2000 else ""
        return f"{head} {'тысяча' if n < 2000 else 'тысяч'} {russian(n % 1000) if n % 1000 else ''}"
    if n >= 100:
        return _RU_HUNDREDS[n // 100] + (f" {russian(n % 100)}" if n % 100 else "")
    if n >= 20:
        return _RU_TENS[n // 10] + (f" {_RU[n % 10]}" if n % 10 else "")
    return _RU[n]


def spanish(n: int) -> str:
    if n >= 10**6:
        return _scaled(n, spanish, [(10**6, "millones")])
    if n >= 1000:
        head = spanish(n // 1000) if n >= 2000 else ""
        return f"{head} mil {spanish(n % 1000) if n % 1000 else ''}"
    if n == 100:
        return "cien"
    if n >= 100:
        return _ES_HUNDREDS[n // 100] + (f" {spanish(n % 100)}" if n % 100 else "")
    if n >= 30:
        return _ES_TENS[n // 10] + (f" y {_ES[n % 10]}" if n % 10 else "")
    return _ES[n]


def german(n: int) -> str:
    if n >= 10**6:
        head = "eine Million" if n < 2 * 10**6 else f"{german(n // 10**6)} Millionen"
        return f"{head} {german(n % 10**6) if n % 10**6 else ''}"
    if n >= 1000:
        return f"{german(n // 1000)}tausend{german(n % 1000) if n % 1000 else ''}"
    if n >= 100:
        return f"{_DE[n // 100]}hundert{german(n % 100) if n % 100 else ''}"
    if n >= 20:
        return (f"{_DE[n % 10]}und" if n % 10 else "") + _DE_TENS[n // 10]
    return _DE[n]


def french(n: int) -> str:
    if n >= 10**6:
        return _scaled(n, french, [(10**6, "millions")])
    if n >= 1000:
        head = french(n // 1000) if n >= 2000 else ""
        return f"{head} mille {french(n % 1000) if n % 1000 else ''}"
    if n >= 100:
        head = f"{_FR[n // 100]} " if n >= 200 else ""
        plural = "s" if n >= 200 and not n % 100 else ""
        return f"{head}cent{plural} {french(n % 100) if n % 100 else ''}"
    if n >= 80:
        return "quatre-vingts" if n == 80 else f"quatre-vingt-{french(n - 80)}"
    if n >= 70:
        return "soixante et onze" if n == 71 else f"soixante-{french(n - 60)}"
    if n >= 20:
        unit = {0: "", 1: " et un"}.get(n % 10, f"-{_FR[n % 10]}")
        return _FR_TENS[n // 10] + unit
    return _FR[n]


def _scaled(n: int, say: Callable[[int], str], scales: list[tuple[int, str]]) -> str:
    for value, name in scales:
        if n >= value:
            return f"{say(n // value)} {name} {say(n % value) if n % value else ''}"
    raise ValueError(n)


SAYING: dict[str, Callable[[int], str]] = {
    "de": german,
    "en": english,
    "es": spanish,
    "fr": french,
    "ru": russian,
}

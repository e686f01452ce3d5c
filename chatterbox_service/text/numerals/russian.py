"""Russian numbers, in their cases and genders. "ё" is folded to "е"."""

from __future__ import annotations

from collections.abc import Iterator

from chatterbox_service.text.numerals.vocabulary import (
    MILLIARD,
    MILLION,
    THOUSAND,
    Numeral,
    Vocabulary,
    listed,
    phrases,
)

_ADJECTIVE = "ый ий ой ая яя ое ее ые ие ого его ому ему ым им ом ем ую юю ых их ыми ими"
_THIRD = "третий третья третье третьи третьего третьему третьим третьем третьей третью третьих"
_STEMS = (
    "перв:1 втор:2 четверт:4 пят:5 шест:6 седьм:7 восьм:8 девят:9 десят:10 одиннадцат:11 "
    "двенадцат:12 тринадцат:13 четырнадцат:14 пятнадцат:15 шестнадцат:16 семнадцат:17 "
    "восемнадцат:18 девятнадцат:19 двадцат:20 тридцат:30 сороков:40 пятидесят:50 шестидесят:60 "
    "семидесят:70 восьмидесят:80 девяност:90 сот:100 двухсот:200 трехсот:300 четырехсот:400 "
    "пятисот:500 шестисот:600 семисот:700 восьмисот:800 девятисот:900"
)
_SOFT = "пят шест сем восем восьм девят десят"
"""Feminine nouns by form: "пять", "пяти", "пятью"."""
_TEENS = (
    "одиннадцат двенадцат тринадцат четырнадцат пятнадцат шестнадцат семнадцат восемнадцат "
    "девятнадцат"
)


def _cardinals() -> Iterator[tuple[str, Numeral]]:
    for value, stem in zip((5, 6, 7, 8, 8, 9, 10), _SOFT.split(), strict=True):
        yield from ((stem + ending, Numeral(value)) for ending in ("ь", "и", "ью"))
    for value, stem in enumerate(_TEENS.split(), start=11):
        yield from ((stem + ending, Numeral(value)) for ending in ("ь", "и", "ью"))
    for value, stem in ((20, "двадцат"), (30, "тридцат")):
        yield from ((stem + ending, Numeral(value, 10)) for ending in ("ь", "и", "ью"))
    for value, stem in zip((50, 60, 70, 80, 80), _SOFT.split(), strict=False):
        for form in ("ьдесят", "идесяти", "ьюдесятью"):
            yield stem + form, Numeral(value, 10)
    for value, stem in zip((500, 600, 700, 800, 800, 900), _SOFT.split(), strict=False):
        for form in ("ьсот", "исот", "истам", "ьюстами", "истах"):
            yield stem + form, Numeral(value, 100)
    for value, two, few in (
        (200, "дву", "двумя"),
        (300, "тре", "тремя"),
        (400, "четыре", "четырьмя"),
    ):
        for form in (two + "хсот", two + "мстам", few + "стами", two + "хстах"):
            yield form, Numeral(value, 100)


def _ordinals() -> Iterator[tuple[str, Numeral]]:
    yield from ((form, Numeral(3, ordinal=True)) for form in [*_THIRD.split(), "третьими"])
    for entry in _STEMS.split():
        stem, _, value = entry.partition(":")
        yield from (
            (stem + ending, Numeral(int(value), ordinal=True)) for ending in _ADJECTIVE.split()
        )


def _scales() -> Iterator[tuple[str, Numeral]]:
    nouns = (
        (THOUSAND, "тысяч", ("а", "и", "", "е", "у", "ей", "ью", "ам", "ами", "ах")),
        (MILLION, "миллион", ("", "а", "у", "ом", "е", "ы", "ов", "ам", "ами", "ах")),
        (MILLIARD, "миллиард", ("", "а", "у", "ом", "е", "ы", "ов", "ам", "ами", "ах")),
    )
    for value, stem, endings in nouns:
        yield from ((stem + ending, Numeral(value, value, multiplies=True)) for ending in endings)
        for ending in _ADJECTIVE.split():
            yield stem + "н" + ending, Numeral(value, multiplies=True, ordinal=True)
    for word, value in (("тыс", THOUSAND), ("млн", MILLION), ("млрд", MILLIARD)):
        yield word, Numeral(value, value, multiplies=True)


RUSSIAN = Vocabulary(
    numerals={
        **dict(_ordinals()),
        **dict(_cardinals()),
        **dict(_scales()),
        **listed(
            "ноль/нуль/ноля/нуля/нолю/нулю/нолем/нулем "
            "один/одна/одно/одни/одного/одной/одному/одним/одном/одну/одних/одними "
            "два/две/двух/двум/двумя три/трех/трем/тремя четыре/четырех/четырем/четырьмя",
            range(5),
        ),
        **listed("сорок/сорока девяносто/девяноста", (40, 90), room=10),
        **listed("сто/ста двести триста четыреста", (100, 200, 300, 400), room=100),
    },
    point=frozenset({"целых", "целая", "целые", "запятая", "точка"}),
    places={
        "десятых": 1,
        "десятая": 1,
        "сотых": 2,
        "сотая": 2,
        "тысячных": 3,
        "тысячная": 3,
    },
    ordinal_ending="[-‐‑](?:й|я|е|го|му|м|х|ю|ый|ий|ой|ая|ое|ого|ому|ом|ую|ым|ых|ми|ти)",
    signs={"&": "и", "+": "плюс", "=": "равно", "№": "номер", "°": "градусов", "-": "минус"},
    phrases=phrases(
        "%: процент, процента, проценту, процентом, проценте, проценты, процентов, процентам,"
        "процентами, процентах;"
        "$: доллар, доллара, доллару, долларом, долларе, доллары, долларов, долларам, долларами;"
        "€: евро; £: фунт, фунта, фунтов; ¥: иена, иены, иен, юань, юаня, юаней;"
        "₽: рубль, рубля, рублю, рублем, рубле, рубли, рублей, рублям, рублями, рублях, руб;"
        "¢: копейка, копейки, копеек, коп, цент, цента, центов"
    ),
)

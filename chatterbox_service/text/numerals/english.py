"""English numbers."""

from __future__ import annotations

from chatterbox_service.text.numerals.vocabulary import (
    HUNDRED,
    MILLIARD,
    MILLION,
    THOUSAND,
    Vocabulary,
    listed,
    multiplying,
    phrases,
)

_TENS = range(20, 100, 10)
_MULTIPLIERS = (HUNDRED, THOUSAND, MILLION, MILLIARD)

ENGLISH = Vocabulary(
    numerals={
        **listed("zero one two three four five six seven eight nine", range(10)),
        **listed(
            "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
            range(10, 20),
        ),
        **listed(
            "twenty/twenties thirty/thirties forty/forties fifty/fifties sixty/sixties "
            "seventy/seventies eighty/eighties ninety/nineties",
            _TENS,
            room=10,
        ),
        **multiplying("hundred thousand million billion", _MULTIPLIERS),
        **listed(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
            "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
            range(1, 20),
            ordinal=True,
        ),
        **listed(
            "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth",
            _TENS,
            ordinal=True,
        ),
        **multiplying("hundredth thousandth millionth billionth", _MULTIPLIERS, ordinal=True),
    },
    joiners={"and": frozenset(_MULTIPLIERS)},
    one=frozenset({"a"}),
    point=frozenset({"point"}),
    nought=frozenset({"oh", "o"}),
    pairs=True,
    ordinal_ending="st|nd|rd|th|s",
    comma=False,
    signs={"&": "and", "+": "plus", "=": "equals", "№": "number", "°": "degrees", "-": "minus"},
    phrases=phrases(
        "%: percent, per cent; $: dollar, dollars; €: euro, euros; £: pound, pounds;"
        "¥: yen, yuan; ₽: ruble, rubles, rouble, roubles; ¢: cent, cents, pence, kopecks"
    ),
)

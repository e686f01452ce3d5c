"""One form for what is written and what is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_service.text.normalising import words
from tests.chatterbox_service.text.saying import SAYING

known = st.sampled_from(sorted(SAYING))
LANGUAGES = ["en", "ru", "de", "es", "fr", "it", "zh", "ja", "ko", "ar", "he", "hi", "th", "xx"]
ORDINARY = ["hello", "World", "ещё", "Straße", "été", "don't", "привет"]
languages = st.sampled_from(LANGUAGES)
wild = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("a1 .,:'-%$€ё\u0301字одинtwo")
    ),
    max_size=60,
)
numbers = st.one_of(st.integers(0, 2100), st.integers(0, 10**9 - 1))
GROUPS = {"de": ".", "en": ",", "es": ".", "fr": "\u202f", "ru": " "}
MARKS = {"de": ",", "en": ".", "es": ",", "fr": ",", "ru": ","}
POINTS = {"de": "Komma", "en": "point", "es": "coma", "fr": "virgule", "ru": "запятая"}


@settings(deadline=None, max_examples=400)
@given(known, numbers)
def test_a_number_is_the_same_said_and_written(language: str, number: int) -> None:
    assert words(SAYING[language](number), language) == [str(number)]


@given(known, st.integers(0, 10**9 - 1))
def test_thousands_may_be_set_apart(language: str, number: int) -> None:
    assert words(f"{number:,}".replace(",", GROUPS[language]), language) == [str(number)]


@given(known, st.integers(0, 999), st.text("0123456789", min_size=1, max_size=4))
def test_decimals(language: str, whole: int, decimals: str) -> None:
    written = words(f"{whole}{MARKS[language]}{decimals}", language)
    digits = " ".join(SAYING[language](int(digit)) for digit in decimals)
    said = words(f"{SAYING[language](whole)} {POINTS[language]} {digits}", language)
    assert said == written
    assert float(said[0]) == float(f"{whole}.{decimals}")


@given(st.integers(1010, 2199).filter(lambda year: year % 100 >= 10))
def test_english_years_in_pairs(year: int) -> None:
    said = f"{SAYING['en'](year // 100)} {SAYING['en'](year % 100)}"
    assert words(said, "en") == words(str(year), "en") == [str(year)]


@given(wild, languages)
def test_words_are_whole(text: str, language: str) -> None:
    for word in words(text, language):
        assert word and not any(map(str.isspace, word))


@given(st.lists(st.sampled_from([*ORDINARY, "S", "Q", "two", "сто", "1,5"])), languages)
def test_what_is_in_one_form_stays_in_it(parts: list[str], language: str) -> None:
    told = words(" hello ".join(parts), language)
    assert words(" ".join(told), language) == told


@given(st.lists(st.sampled_from(ORDINARY)), st.data())
def test_marks_between_words_change_nothing(parts: list[str], data: st.DataObject) -> None:
    marks = st.sampled_from([" ", ", ", "! ", "… ", " — ", "; ", "?\n", " «", "» "])
    dressed = "".join(part + data.draw(marks) for part in parts)
    assert words(dressed.upper().replace("SS", "ß"), "ru") == words(" ".join(parts), "ru")


@pytest.mark.parametrize(
    "language, one, other",
    [
        (
            "en",
            "In 1999, 50% of $5.50",
            "in nineteen ninety-nine fifty percent of five dollars fifty cents",
        ),
        ("en", "$5.50", "five dollars and fifty cents"),
        ("en", "$3.5 million", "three point five million dollars"),
        ("en", "the 21st of May, 2005", "the twenty-first of May twenty oh five"),
        ("en", "at 10:30", "at ten thirty"),
        ("en", "10:00", "ten"),
        ("en", "the 1990s, the 90's", "the nineteen nineties the nineties"),
        ("en", "a hundred and one", "101"),
        ("en", "a million", "1,000,000"),
        ("en", "nineteen hundred and five", "1905"),
        ("en", "zero point oh five", "0.05"),
        ("en", "two hundred, three hundred", "200 300"),
        ("en", "2 million", "2000000"),
        ("en", "fifty per cent", "50 %"),
        ("en", "minus five & six", "-5 and 6"),
        ("en", "e-mail S.Q.L.", "email S Q L"),
        ("en", "Don’t; state-of-the-art", "dont state of the art"),
        ("en", "ﬁne ＡＢＣ", "fine abc"),
        ("ru", "за́мок, ещё всё", "замок еще все"),
        ("ru", "1999-й год", "тысяча девятьсот девяносто девятый год"),
        ("ru", "в 245 случаях", "в двухстах сорока пяти случаях"),
        ("ru", "к 21-му", "к двадцать первому"),
        ("ru", "2,5 млн", "два целых пять десятых миллиона"),
        ("ru", "0,25", "ноль целых двадцать пять сотых"),
        ("ru", "0,005", "ноль целых пять тысячных"),
        ("ru", "50 % и 3 руб.", "пятьдесят процентов и три рубля"),
        ("ru", "две тысячи первого", "2001"),
        ("ru", "№ 5", "номер пять"),
        ("de", "am 3. Oktober 1999", "am dritten Oktober neunzehnhundertneunundneunzig"),
        (
            "de",
            "die 1., 7., 8., 21. und 100.",
            "die erste siebte achte einundzwanzigste und hundertste",
        ),
        ("de", "50 % für 5 €", "fünfzig Prozent für fünf Euro"),
        ("de", "2,5 Millionen", "zwei Komma fünf Millionen"),
        ("es", "45 % y 1.º", "cuarenta y cinco por ciento y primero"),
        ("es", "2.300.000.000", "dos mil trescientos millones"),
        ("es", "veinte segundos", "20 segundos"),
        ("fr", "le 1er, la 2e, le 21e", "le premier la deuxième le vingt et unième"),
        ("fr", "97 %", "quatre-vingt-dix-sept pour cent"),
        ("fr", "97", "nonante-sept"),
        ("fr", "1 000 000 €", "un million d'euros"),
        ("ar", "مَرْحَبًا ١٢", "مرحبا 12"),
        ("he", "שָׁלוֹם", "שלום"),
        ("hi", "नमस्ते, आप कैसे हैं?", "नमस्ते आप कैसे हैं"),
        ("it", "Costa 1.000 euro: 50%", "costa 1000 euro 50"),
        ("zh", "你好，Python 3。", "你好 python 3"),
    ],
)
def test_the_same(language: str, one: str, other: str) -> None:
    assert words(one, language) == words(other, language) != []


@pytest.mark.parametrize(
    "language, one, other",
    [
        ("en", "twenty five", "twenty, fifteen"),
        ("en", "it is", "is it"),
        ("ru", "два", "три"),
        ("es", "año", "ano"),
        ("ru", "мой", "мои"),
        ("de", "fünf", "fünfzig"),
    ],
)
def test_not_the_same(language: str, one: str, other: str) -> None:
    assert words(one, language) != words(other, language)


def test_letters_one_by_one_where_there_are_no_spaces() -> None:
    assert words("今天 Python！", "zh") == ["今", "天", "python"]


LEXICON = {"Kubernetes": "koo-ber-net-eez", "SQL": "sequel", "C++": "see plus plus", "№": ""}


@pytest.mark.parametrize(
    "one, other",
    [
        ("Kubernetes and SQL", "koo ber net eez and sequel"),
        ("kubernetes", "KOO-BER-NET-EEZ"),
        ("S.Q.L.", "sequel"),
        ("in C++", "in see plus plus"),
    ],
)
def test_a_term_counts_in_both_its_forms(one: str, other: str) -> None:
    assert words(one, "en", LEXICON) == words(other, "en", LEXICON)


@given(wild, languages)
def test_an_empty_lexicon_changes_nothing(text: str, language: str) -> None:
    assert words(text, language, {"": "x", "y": ""}) == words(text, language)

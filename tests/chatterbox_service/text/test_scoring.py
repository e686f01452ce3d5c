"""Scores: their bounds, what moves them, and a table of what people would say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_service.text.distance import edits
from chatterbox_service.text.normalising import words
from chatterbox_service.text.scoring import score

languages = st.sampled_from(["en", "ru", "de", "es", "fr", "zh", "ja", "ko", "th", "it"])
letters = st.text(st.sampled_from("abcdeзаяß字の한"), max_size=12)
vocabulary = st.sampled_from(["alpha", "bravo", "charlie", "delta", "echo", "дом", "кот", "лес"])
sentence = st.lists(vocabulary, min_size=1, max_size=12)


@given(letters, letters)
def test_the_distance_is_levenshteins(one: str, other: str) -> None:
    assert edits(one, other) == by_the_table(one, other)
    assert edits(list(one), list(other)) == edits(one, other) == edits(other, one)


def by_the_table(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        above, row[0] = row[0], at
        for place, found in enumerate(other, start=1):
            above, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, above + (letter != found)),
            )
    return row[-1]


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), languages)
def test_it_is_a_whole_number_from_0_to_100(wanted: str, heard: str, language: str) -> None:
    found = score(wanted, heard, language)
    assert isinstance(found, int) and 0 <= found <= 100


@settings(deadline=None)
@given(st.text(max_size=80), languages)
def test_the_same_is_100_and_nothing_is_0(text: str, language: str) -> None:
    assert score(text, text, language) == 100
    if words(text, language):
        assert score(text, "", language) == 0


@given(sentence, languages)
def test_the_more_of_the_end_is_missing_the_lower(wanted: list[str], language: str) -> None:
    whole = " ".join(wanted)
    found = [score(whole, " ".join(wanted[:kept]), language) for kept in range(len(wanted) + 1)]
    assert found == sorted(found)
    assert found[-1] == 100 and found[0] == 0


@given(sentence, st.lists(vocabulary, min_size=1, max_size=12), languages)
def test_the_longer_the_tail_the_lower(wanted: list[str], tail: list[str], language: str) -> None:
    whole = " ".join(wanted)
    found = [score(whole, " ".join(wanted + tail[:n]), language) for n in range(len(tail) + 1)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 100


@given(sentence, sentence, languages)
def test_case_and_punctuation_do_not_matter(
    wanted: list[str], heard: list[str], language: str
) -> None:
    plain = score(" ".join(wanted), " ".join(heard), language)
    assert (
        score(", ".join(wanted).title() + "!", " — ".join(heard).upper() + "…", language) == plain
    )


@given(st.lists(vocabulary, min_size=2, unique=True), st.data())
def test_a_compound_written_apart_costs_nothing(parts: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parts) - 2))
    joined = [*parts[:at], parts[at] + parts[at + 1], *parts[at + 2 :]]
    assert score(" ".join(joined), " ".join(parts), "en") == 100


@pytest.mark.parametrize(
    "language, wanted, heard, least, most",
    [
        ("en", "Welcome to the first lesson.", "welcome to the 1st lesson", 100, 100),
        ("en", "My name is Xiomara Jones.", "My name is Ciomara Jones.", 85, 95),
        ("en", "Set up the database server now.", "Set up the data base server now", 100, 100),
        (
            "en",
            "It costs $20 in 1999.",
            "it costs twenty dollars in nineteen ninety-nine",
            100,
            100,
        ),
        ("en", "Welcome to this course.", "Welcome to this course. Thank you for watching!", 0, 40),
        ("en", "Open the file and read it line by line.", "open the file and read it", 50, 75),
        ("en", "Yes.", "Yes, yes, yes.", 0, 0),
        ("en", "We do not store passwords.", "We do store passwords.", 75, 90),
        ("en", "Hello there.", "Goodbye, my friend", 0, 30),
        ("ru", "Всё ещё 21-й урок.", "все еще двадцать первый урок", 100, 100),
        ("ru", "Сегодня мы пишем программу.", "сегодня мы пишем программы", 85, 95),
        ("ru", "Сегодня мы пишем программу.", "сегодня мы", 30, 50),
        ("de", "Die Straße hat 25 Häuser.", "Die Strasse hat fünfundzwanzig Häuser", 100, 100),
        ("de", "Das Datenbanksystem läuft.", "das Datenbank System läuft", 100, 100),
        ("de", "Das Datenbanksystem läuft.", "das Bankensystem lief", 20, 70),
        ("es", "Tengo 32 años.", "tengo treinta y dos años", 100, 100),
        (
            "es",
            "Bienvenidos al curso de programación.",
            "bienvenido al curso de programación",
            85,
            97,
        ),
        ("fr", "Il a 97 ans.", "il a quatre-vingt-dix-sept ans", 100, 100),
        ("zh", "今天我们学习机器学习。", "今天 我们 学习 机器学习", 100, 100),
        ("zh", "今天我们学习机器学习。", "今天我们学习集器学习", 85, 95),
        ("zh", "今天我们学习机器学习。", "今天我们", 30, 45),
        ("ko", "안녕하세요 반갑습니다", "안녕 하세요 반갑습니다", 100, 100),
    ],
)
def test_what_people_would_say(
    language: str, wanted: str, heard: str, least: int, most: int
) -> None:
    assert least <= score(wanted, heard, language) <= most


def test_the_formula() -> None:
    # One word of two, two letters of twelve: 1 - (1/2 + 2 × 2/12) / 3.
    assert score("abcdefghij kl", "abcdefghij xy", "en") == 72


def test_terms_said_their_own_way() -> None:
    lexicon = {"Kubernetes": "koo-ber-net-eez"}
    assert score("Kubernetes runs.", "koo ber net eez runs", "en", lexicon) == 100
    assert score("Kubernetes runs.", "koo ber net eez runs", "en") < 85


def test_nothing_wanted() -> None:
    assert score("...", "", "en") == 100
    assert score("...", "word", "en") == 0

"""Pieces: nothing lost, nothing too long, little that is too short, cut where people pause."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatterbox_service.text.characters import heard, says_something, separable
from chatterbox_service.text.splitting import Piece, pieces

LANGUAGES = ["en", "ru", "de", "es", "fr", "zh", "ja", "ko", "hi", "ar", "el", "th", "pl", "xx"]
languages = st.sampled_from(LANGUAGES)
limits = st.integers(1, 300)
wild = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from('abАб12 .,;:!?…—-"«»“”()。，！？、字の한ไกำक्षि\u0301\u0308\n😀🇬🇧🏽\u200d'),
    ),
    max_size=400,
)
word = st.text("abcdefgАбвгдеёжz字の한é", min_size=1, max_size=12)
mark = st.sampled_from(
    ["", "", "", "", ",", ".", "!", "?", "...", ";", ":", " —", "。", "،", "؟", ".»", '."']
)
prose = st.lists(
    st.tuples(word, mark, st.sampled_from([" ", " ", " ", "\n", "\n\n"])), max_size=80
).map(lambda parts: "".join("".join(part) for part in parts))


def bare(text: str) -> str:
    return "".join(text.split())


def texts(found: tuple[Piece, ...]) -> list[str]:
    return [piece.text for piece in found]


def cut(text: str, language: str) -> list[str]:
    """Everywhere a sentence ends."""
    return texts(pieces(text, language, least=0))


@settings(deadline=None)
@given(wild, languages, limits, st.integers(0, 60))
@example("a" + "." * 400, "en", 280, 25)
@example("— " * 200 + "a" + " —" * 200, "en", 50, 25)
def test_no_piece_is_too_long_or_says_nothing(
    text: str, language: str, most: int, least: int
) -> None:
    found = pieces(text, language, most=most, least=least)
    for piece in found:
        assert 0 < len(piece.text) <= most
        assert says_something(piece.text)
        assert piece.text == piece.text.strip()
    assert bool(found) == says_something(text)


@settings(deadline=None)
@given(wild, languages, limits)
def test_no_letter_is_lost(text: str, language: str, most: int) -> None:
    told = "".join(texts(pieces(text, language, most=most)))
    assert [c for c in told if heard(c)] == [c for c in text if heard(c)]


@settings(deadline=None)
@given(prose, languages, st.integers(45, 300))
def test_nothing_but_white_space_is_lost(text: str, language: str, most: int) -> None:
    assert bare("".join(texts(pieces(text, language, most=most)))) == bare(text)


@settings(deadline=None)
@given(wild, languages)
def test_signs_stay_with_words_where_there_is_room(text: str, language: str) -> None:
    if says_something(text):
        told = "".join(texts(pieces(text, language, most=3 * (len(text) + 2), least=1)))
        assert bare(told) == bare(text)


@settings(deadline=None)
@given(prose, st.integers(30, 120), st.integers(0, 30))
def test_short_pieces_have_no_room_beside_them(text: str, most: int, least: int) -> None:
    found = texts(pieces(text, "en", most=most, least=least))
    for left, right in pairwise(found):
        if min(len(left), len(right)) < least:
            assert len(left) + len("\n\n") + len(right) > most


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(21, 45), st.integers(0, 20)
)
def test_as_few_short_pieces_as_can_be(sizes: list[int], most: int, least: int) -> None:
    text = " ".join("X" * size + "!" for size in sizes)
    found = texts(pieces(text, "en", most=most, least=least))
    assert sum(len(piece) < least for piece in found) == fewest([s + 1 for s in sizes], most, least)


def fewest(sizes: list[int], most: int, least: int) -> int:
    """By trying every way to group sentences of these lengths."""
    if not sizes:
        return 0
    groups = [sum(sizes[:n]) + n - 1 for n in range(1, len(sizes) + 1)]
    return min(
        (length < least) + fewest(sizes[n:], most, least)
        for n, length in enumerate(groups, start=1)
        if length <= most
    )


@settings(deadline=None)
@given(wild, languages, st.integers(60, 300))
def test_no_character_is_torn(text: str, language: str, most: int) -> None:
    seen = " ".join(text.split())
    starts = [0]
    for piece in texts(pieces(seen, language, most=most)):
        at = seen.find(piece, starts[-1])
        starts.append(at)
        if at > 0 and not seen[at - 1].isspace() and longest_cluster(seen) <= most // 6:
            assert separable(seen, at)


def longest_cluster(text: str) -> int:
    edges = [at for at in range(len(text) + 1) if separable(text, at)]
    return max((b - a for a, b in pairwise(edges)), default=0)


@given(wild, languages)
def test_only_the_last_piece_has_no_pause_unless_a_word_is_cut(text: str, language: str) -> None:
    found = pieces(text, language)
    assert all(piece.pause_after >= 0 for piece in found)
    if found:
        assert found[-1].pause_after == 0


@settings(deadline=None)
@given(st.integers(281, 1500))
def test_a_long_sentence_is_cut_evenly(length: int) -> None:
    text = ("word " * 400)[: length - 1].strip() + "."
    sizes = [len(piece.text) for piece in pieces(text, "en")]
    assert max(sizes) - min(sizes) <= 20
    assert len(sizes) == -(-len(text) // 280)


@pytest.mark.parametrize("symbol, most", [("x", 280), ("字", 93), ("e\u0301", 280), ("ก", 280)])
def test_a_word_without_end(symbol: str, most: int) -> None:
    found = texts(pieces(symbol * 5000, "zh" if symbol == "字" else "en"))
    assert "".join(found) == symbol * 5000
    assert max(map(len, found)) <= most
    assert max(map(len, found)) - min(map(len, found)) <= 3
    assert not any(unicodedata.combining(piece[0]) for piece in found)


def test_dense_scripts_get_shorter_pieces() -> None:
    sentence = "我们今天学习怎样写程序，然后一起看看结果，"
    assert max(len(p) for p in texts(pieces(sentence * 20, "zh"))) <= 280 // 3


@pytest.mark.parametrize(
    "language, parts",
    [
        (
            "en",
            ["Dr. Smith went home.", "He paid $3.14, e.g. for tea!", '"Really?" he asked.', "Yes."],
        ),
        ("en", ["See p. 5 and Fig. 3 of J. R. R. Tolkien.", "He said no.", "Then he left."]),
        ("en", ["It was I.", "Well... maybe not.", "Wait...", "What?!", "(Yes.)", "“No.”", "Go."]),
        ("en", ["1. First comes this.", "2. Then 5 dollars at 10:30.", "3. Last."]),
        ("ru", ["А. С. Пушкин родился в 1799 г. в Москве.", "Потом он писал и т. д.", "Да."]),
        (
            "ru",
            ["Это т. е. Москва, т.е. столица.", "Было в 1999 г.", "Стихи, проза и т.д.", "Конец…"],
        ),
        ("ru", ["— Да.", "— «Что?» — спросил он.", "— Нет!", "См. рис. 5 на стр. 12."]),
        (
            "de",
            [
                "Am 3. Oktober kam z.B. Hr. Müller.",
                "Das war 1999.",
                "Er ging z. B. heim, d. h. weg.",
            ],
        ),
        ("de", ["Sie sagte: „Ja.“", "Dann ging sie.", "Das ist Max.", "Er lacht."]),
        ("es", ["¿Qué hora es?", "¡Hola, Sr. García!", "Son las 3.15."]),
        ("fr", ["« Oui. »", "Il partit avec M. Dupont.", "Vraiment ?", "Non !"]),
        ("hi", ["नमस्ते।", "आप कैसे हैं?", "मैं ठीक हूँ।"]),
        ("ar", ["مرحبا.", "كيف حالك؟", "أنا بخير، شكرا."]),
        ("el", ["Τι κάνεις;", "Καλά είμαι."]),
        ("ko", ["안녕하세요.", "반갑습니다."]),
    ],
)
def test_where_sentences_end(language: str, parts: list[str]) -> None:
    assert cut(" ".join(parts), language) == parts


@pytest.mark.parametrize(
    "language, parts",
    [
        ("zh", ["你好。", "今天天气很好！", "我们去公园吧？", "“好的。”", "他说。"]),
        ("ja", ["「そうですか？」と彼は言った。", "はい。"]),
    ],
)
def test_where_sentences_end_without_spaces(language: str, parts: list[str]) -> None:
    assert cut("".join(parts), language) == parts


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    first = (
        "when the lesson has been translated and spoken and fitted to what is seen on the screen"
    )
    second = (
        "somebody listens to it and mends the lines that are wrong or do not sound as they should"
    )
    found = pieces(f"{first}; {second}, {first}.", "en", most=200)
    assert texts(found) == [f"{first};", f"{second}, {first}."]


def test_a_comma_is_worth_a_detour_and_not_any_detour() -> None:
    words = "word " * 20
    near = pieces(f"{words}end, {words}{words}".strip(), "en", most=280)
    assert near[0].text.endswith("end,")
    far = pieces(f"Well, {words * 3}".strip(), "en", most=280)
    assert len(far[0].text) > 100


def test_short_sentences_join_their_own_paragraph() -> None:
    long = "This is a sentence that is certainly long enough to stand alone."
    found = texts(pieces(f"{long} Yes.\n\nNo. {long}", "en"))
    assert found == [f"{long} Yes.", f"No. {long}"]


def test_a_heading_joins_what_it_heads() -> None:
    short = "This sentence can stand alone."
    long = "This is a sentence that is certainly long enough to stand alone."
    assert texts(pieces(f"{short}\n\nGoals\n\n{long}", "en")) == [short, f"Goals\n\n{long}"]


def test_a_clause_at_the_edge_is_no_reason_for_a_short_piece() -> None:
    found = texts(pieces("好的；" + "字" * 97, "zh"))
    assert min(map(len, found)) >= 40


def test_pauses_follow_what_stands_there() -> None:
    long = "This is a sentence that is certainly long enough to stand alone."
    found = pieces(f"{long} {long}\n\n{long}", "en")
    sentence, paragraph, last = (piece.pause_after for piece in found)
    assert 0 == last < sentence < paragraph


def test_inside_a_word_there_is_no_pause() -> None:
    assert {piece.pause_after for piece in pieces("x" * 600, "en")} == {0.0}


def test_a_line_break_is_a_space() -> None:
    assert texts(pieces("one\ntwo  three\tfour", "en")) == ["one two three four"]


@pytest.mark.parametrize("text", ["", " \n\n ", "...", "😀 — !"])
def test_nothing_to_say_makes_no_pieces(text: str) -> None:
    assert pieces(text, "en") == ()


def test_a_page_of_signs_is_no_work() -> None:
    found = pieces(". " * 20_000 + "a" + "\n\n." * 20_000, "en")
    assert len(found) == 1 and "a" in found[0].text


def test_no_room_at_all() -> None:
    with pytest.raises(ValueError, match="most"):
        pieces("a", "en", most=0)

"""What is refused, why, and what comes out of what is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatterbox_service.problems import Code, Problem
from chatterbox_service.text.characters import heard, unseen
from chatterbox_service.text.refusing import checked

MOST = 300

any_text = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\t\n\r \u200b\u202e\ufeff<>&;/\u0301\ud800😀"))
)


@given(any_text)
@example("\u212b\u0344")
@example("a \u2029 \n\u00a0\r\nb")
def test_what_passes_is_clean_and_stays_as_it_is(text: str) -> None:
    try:
        clean = checked(text, most=MOST)
    except Problem as problem:
        assert problem.status == 422
        return
    assert 0 < len(clean) <= MOST
    assert clean == clean.strip()
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(map(unseen, clean))
    assert any(map(heard, clean))
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") for c in clean)
    assert "  " not in clean and "\n\n\n" not in clean
    assert checked(clean, most=MOST) == clean


@given(any_text)
def test_no_letter_or_digit_is_lost(text: str) -> None:
    try:
        clean = checked(text, most=MOST)
    except Problem:
        return
    wanted = unicodedata.normalize("NFC", "".join(c for c in text if not unseen(c)))
    assert [c for c in clean if heard(c)] == [c for c in wanted if heard(c)]


@given(any_text)
def test_a_refusal_is_one_sentence(text: str) -> None:
    try:
        checked(text, most=10)
    except Problem as problem:
        assert problem.sentence.endswith(".")
        assert "\n" not in problem.sentence and problem.sentence.isprintable()


@pytest.mark.parametrize(
    "text", ["", " ", "\t\n\r\n", "\u00a0\u3000", "\u200b", "\u202e\ufeff", "\u3164"]
)
def test_empty(text: str) -> None:
    assert refusal(text).code is Code.EMPTY_TEXT


def test_too_long() -> None:
    problem = refusal("x" * 100_000)
    assert problem.code is Code.TEXT_TOO_LONG
    assert "100000" in problem.sentence and str(MOST) in problem.sentence


def test_white_space_around_does_not_count() -> None:
    assert checked(" " * MOST + "x" * MOST + "\n" * MOST, most=MOST) == "x" * MOST


def test_composing_cannot_lengthen_past_the_limit() -> None:
    # U+0958 is always written in two.
    assert refusal("\u0958" * MOST).code is Code.TEXT_TOO_LONG


@pytest.mark.parametrize(
    "text", ["a\x00b", "\x00", "a\x1bb", "a\x7f", "a\x9f", "a\x1cb", "a\ud83d", "\udc00"]
)
def test_control_characters_and_halves(text: str) -> None:
    problem = refusal(text)
    assert problem.code is Code.INVALID
    assert "U+" in problem.sentence


def test_a_pile_of_marks() -> None:
    assert refusal("a" + "\u0301" * 31).code is Code.INVALID
    # Joiners between them do not make the pile lower.
    assert refusal("a" + "\u0301\u200d" * 31).code is Code.INVALID
    assert checked("a" + "\u0301" * 30, most=MOST)


@pytest.mark.parametrize("text", ["😀", "🇬🇧 👩‍👩‍👧 🏽", "...", "— !?", "$ % €", "ˈ ˌ", "❤\ufe0f"])
def test_nothing_to_say(text: str) -> None:
    assert refusal(text).code is Code.NOTHING_TO_SAY


@pytest.mark.parametrize(
    "text",
    [
        "<speak>Hello</speak>",
        'One <break time="1s"/> two',
        "One <break time='1s' strength=weak /> two",
        "One.</p>",
        "one<br>two<BR/>",
        '<prosody rate="slow">no end',
        "<ssml:say-as x='1'>",
        "<пауза>",
        "<!-- no --> yes",
        "<?xml version='1.0'?>",
        "<!DOCTYPE html>",
        "<![CDATA[x]]>",
        "you &amp; me",
        "it&#39;s",
        "<\u200bb>bold",
    ],
)
def test_markup(text: str) -> None:
    problem = refusal(text)
    assert problem.code is Code.MARKUP
    assert problem.sentence == "Markup is not understood: send plain text."


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "a <b and c> d",
        "x <3 y",
        "5 > 3",
        "5<6 and 7>6",
        "if a<b then",
        "AT&T; and R&D",
        "<- here ->",
        "write to <anna@example.org>",
        "see <mailto:anna@example.org>",
        "Привет, мир! 1 < 2",
        "1\u20e3",
        "你好",
        "½",
    ],
)
def test_plain_text_passes_as_it_is(text: str) -> None:
    assert checked(text, most=MOST) == text


def test_white_space_is_put_in_order() -> None:
    assert (
        checked(" a\t\tb \r\n c\u2028d \n \n\n e\u00a0f\u2029g ", most=MOST)
        == "a b\nc\nd\n\ne f\n\ng"
    )


def test_what_is_not_seen_goes() -> None:
    assert checked("so\u00adft \u202eри\u200bба\ufeff ❤\ufe0f", most=MOST) == "soft риба ❤"


def test_letters_are_composed() -> None:
    assert checked("и\u0306 e\u0301", most=MOST) == "й é"


def refusal(text: str) -> Problem:
    with pytest.raises(Problem) as caught:
        checked(text, most=MOST)
    return caught.value

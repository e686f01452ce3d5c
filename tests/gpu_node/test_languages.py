"""A language is written in many ways and means one thing, or is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.languages import name, parse, primary, same, three_letters


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("en", "en"),
        ("en-US", "en-US"),
        ("EN_us", "en-US"),
        (" en\n", "en"),
        ("rus", "ru"),
        ("eng", "en"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("es-419", "es-419"),
        ("pt-br", "pt-BR"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("iw", "he"),
        ("cmn", "cmn"),
    ],
)
def test_one_spelling(written: str, standard: str) -> None:
    assert parse(written) == standard
    assert parse(standard) == standard


NO_LANGUAGES = "und xx xx-nonsense zzz e english русский en- -en en--US en-US-US ../.. en/../ru en;"
NOR_ARE_THESE = ("", "  ", "x-private", "X-Y", "English (US)", "en\0", "\ud800", "e" * 1000)


@pytest.mark.parametrize("written", [*NO_LANGUAGES.split(), *NOR_ARE_THESE])
def test_what_is_no_language_is_refused(written: str) -> None:
    with pytest.raises(DubfleetError) as caught:
        parse(written)
    assert caught.value.reason is Reason.LANGUAGE_UNKNOWN
    # It can be printed, and it is short, whatever was written.
    assert len(caught.value.sentence.encode()) < 200
    assert "use one such as en, ru, es or pt-BR" in caught.value.sentence


tags = st.text(st.one_of(st.sampled_from("enruspt-_USBR419"), st.characters()), max_size=12)


@given(tags)
def test_anything_is_a_language_or_refused(written: str) -> None:
    try:
        standard = parse(written)
    except DubfleetError as error:
        assert error.reason is Reason.LANGUAGE_UNKNOWN
    else:
        assert parse(standard) == standard
        assert name(standard)
        assert len(three_letters(standard)) == 3


@pytest.mark.parametrize(
    ("tag", "called"),
    [
        ("en", "English"),
        ("es-419", "Spanish (es-419)"),
        ("zh-Hans", "Chinese (zh-Hans)"),
        ("sv", "sv"),
        ("sv-SE", "sv-SE"),
    ],
)
def test_what_people_call_it(tag: str, called: str) -> None:
    assert name(tag) == called


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en", "eng"), ("es-419", "spa"), ("ru", "rus"), ("de", "deu"), ("zh-Hans", "zho")],
)
def test_three_letters_for_files(tag: str, code: str) -> None:
    assert three_letters(tag) == code


def test_the_language_without_its_region() -> None:
    assert [primary(tag) for tag in ("es-419", "en", "zh-Hans-CN")] == ["es", "en", "zh"]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("eng", "en", True),
        ("en-GB", "en-US", True),
        ("fre", "fr", True),
        ("spa", "es-419", True),
        ("und", "en", False),
        (None, "en", False),
        ("ru", "uk", False),
    ],
)
def test_the_same_language(one: str | None, other: str, alike: bool) -> None:
    assert same(one, other) == alike

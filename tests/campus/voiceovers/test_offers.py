"""Which dubs can be asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campus.languages import name, same
from campus.voiceovers import offers
from campus.voiceovers.offers import LessonLanguages, parse, refusal, targets

SITE = parse(("en:es", "es:en"), ("en",))
TAGS = st.sampled_from(["en", "es", "es-419", "ru", "de", "pt-BR"])


def brings(source: str, *subtitles: str) -> LessonLanguages:
    return LessonLanguages(source, frozenset(subtitles))


@pytest.mark.parametrize(
    ("lesson", "target"),
    [
        (brings("en"), "es"),
        (brings("en"), "es-419"),
        (brings("es", "es"), "en"),
        (brings("ru", "en"), "en"),
        (brings("ru", "ru", "en"), "en"),
        (brings("en", "de"), "de"),
    ],
)
def test_what_the_site_can_do(lesson: LessonLanguages, target: str) -> None:
    assert refusal(lesson, target, SITE) is None


@pytest.mark.parametrize(
    ("lesson", "target", "sentence"),
    [
        (brings("en"), "en", "in English already"),
        (brings("es-419"), "es", "already"),
        (brings("en"), "ru", "English to Russian is not offered here: it needs Russian subtitles"),
        (brings("ru", "ru"), "en", "Russian to English is not offered here"),
        (brings("es"), "en", "Spanish speech is not understood here: the lesson needs Spanish"),
    ],
)
def test_what_it_cannot_is_said(lesson: LessonLanguages, target: str, sentence: str) -> None:
    assert sentence in (refusal(lesson, target, SITE) or "")


@given(TAGS, st.frozensets(TAGS), TAGS)
def test_every_target_shown_can_be_asked_for(
    source: str, subtitles: frozenset[str], target: str
) -> None:
    lesson = LessonLanguages(source, subtitles)
    shown = targets(lesson, SITE)
    assert all(refusal(lesson, tag, SITE) is None for tag in shown)
    if target in subtitles and not same(source, target):
        assert target in shown


@given(TAGS, st.frozensets(TAGS), TAGS, TAGS)
def test_more_subtitles_never_narrow_the_offer(
    source: str, subtitles: frozenset[str], target: str, more: str
) -> None:
    if refusal(LessonLanguages(source, subtitles), target, SITE) is None:
        assert refusal(LessonLanguages(source, subtitles | {more}), target, SITE) is None


def test_the_very_tag_is_the_best_match() -> None:
    assert offers.best_match(["es", "es-419"], "es-419") == "es-419"
    assert offers.best_match(["es-419"], "es") == "es-419"
    assert offers.best_match(["ru"], "es") is None


def test_languages_have_names() -> None:
    assert name("es-419") == "Spanish (Latin America)"
    assert name("xx") == "xx"


@pytest.mark.parametrize("odd", ["ES", "es ", "es-" + "x" * 30, "es-../../x", "es-\0", "es-ES"])
def test_a_tag_that_nobody_could_choose_is_no_language(odd: str) -> None:
    assert refusal(brings("en"), odd, SITE) == "There is no such language here."


def test_the_sites_own_settings_may_name_more() -> None:
    assert refusal(brings("en"), "es-AR", parse(("en:es-AR",), ("en",))) is None

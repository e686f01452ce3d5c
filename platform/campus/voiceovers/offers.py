"""Which dubs can be asked for. Pure.

The engines live on the nodes, which may be asleep; what they can do is a setting here, so that
nobody pays for waking a node only to be told no. A lesson's own subtitles widen the offer: with a
translation in hand nothing is recognised or translated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from campus.languages import is_known, name, same


@dataclass(frozen=True, slots=True)
class Offers:
    """`pairs`: (source, target) that can be translated; `recognised` without subtitles."""

    pairs: frozenset[tuple[str, str]]
    recognised: frozenset[str]


@dataclass(frozen=True, slots=True)
class LessonLanguages:
    """What a lesson brings."""

    source: str
    subtitles: frozenset[str]


def parse(pairs: Iterable[str], recognised: Iterable[str]) -> Offers:
    """The settings VOICEOVER_LANGUAGES and VOICEOVER_RECOGNISES."""
    split = (pair.partition(":") for pair in pairs)
    return Offers(frozenset((s.strip(), t.strip()) for s, _, t in split), frozenset(recognised))


def refusal(lesson: LessonLanguages, target: str, offers: Offers) -> str | None:
    """Why the lesson cannot be dubbed into a language, in a sentence; None when it can."""
    if not (is_known(target) or target in {offered for _, offered in offers.pairs}):
        # A tag that nobody could choose, which may be anything and as long as one likes.
        return "There is no such language here."
    source, into = name(lesson.source), name(target)
    if same(lesson.source, target):
        return f"This lesson is in {source} already."
    if has_subtitles(lesson, target):
        return None
    if not any(same(s, lesson.source) and same(t, target) for s, t in offers.pairs):
        return (
            f"{source} to {into} is not offered here: "
            f"it needs {into} subtitles from the partner, which are then spoken."
        )
    if has_subtitles(lesson, lesson.source):
        return None
    if not any(same(known, lesson.source) for known in offers.recognised):
        return f"{source} speech is not understood here: the lesson needs {source} subtitles."
    return None


def has_subtitles(lesson: LessonLanguages, language: str) -> bool:
    """Whether the partner gave subtitles in a language, whatever the region."""
    return best_match(lesson.subtitles, language) is not None


def best_match(tags: Iterable[str], language: str) -> str | None:
    """The very tag, else one of the same language."""
    tags = sorted(tags)
    if language in tags:
        return language
    return next((tag for tag in tags if same(tag, language)), None)


def targets(lesson: LessonLanguages, offers: Offers) -> list[str]:
    """The languages it can be dubbed into now."""
    named = lesson.subtitles | {target for _, target in offers.pairs}
    return sorted((tag for tag in named if refusal(lesson, tag, offers) is None), key=name)

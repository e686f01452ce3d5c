"""Which engines a dub runs with: decided before anything is decoded, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.engines.tts.health import Health, voice_for
from gpu_node.languages import name, primary, same, three_letters

_Name = TypeVar("_Name", bound=StrEnum)


class TranscriberName(StrEnum):
    POCKETSPHINX = "pocketsphinx"
    SUBTITLES = "subtitles"
    NONE = "none"


class TranslatorName(StrEnum):
    APERTIUM = "apertium"
    PROVIDED = "provided"


class SeparatorName(StrEnum):
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there is: Apertium's pairs (three letters), languages that can be recognised."""

    pairs: frozenset[tuple[str, str]]
    recognised: frozenset[str]
    speech: Callable[[], Health]
    """What the speech service says of itself; asked last: it may only just have been started."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The engines of one dub."""

    transcriber: TranscriberName
    translator: TranslatorName
    separator: SeparatorName
    synthesizer: str
    """As the speech service calls its engine."""
    synthesizer_version: str
    voice: str
    """As the service calls the language."""


def choose(
    payload: DubPayload, have: Capabilities, *, subtitles: bool, target_subtitles: bool
) -> EnginePlan:
    """Pick the engines. Languages are already in standard spelling.

    Raises DubfleetError: LANGUAGE_SAME, PAIR_UNSUPPORTED, ENGINE_UNKNOWN, and what `have.speech`
    raises.
    """
    if same(payload.source_language, payload.target_language):
        raise DubfleetError(
            Reason.LANGUAGE_SAME,
            f"The lesson is already in {name(primary(payload.target_language))}: choose another "
            "language to dub it into.",
        )
    transcriber = _transcriber(payload, have, subtitles, target_subtitles)
    translator = _translator(payload, have, target_subtitles)
    separator = _named(SeparatorName, payload.separator) or SeparatorName.NONE
    speech = have.speech()
    return EnginePlan(
        transcriber=transcriber,
        translator=translator,
        separator=separator,
        synthesizer=_synthesizer(payload.synthesizer, speech),
        synthesizer_version=speech.speaker,
        voice=_voice(payload.target_language, speech),
    )


def _transcriber(
    payload: DubPayload, have: Capabilities, subtitles: bool, target_subtitles: bool
) -> TranscriberName:
    source = payload.source_language
    asked = _named(TranscriberName, payload.transcriber)
    recognises = primary(source) in have.recognised
    if asked is None:
        if subtitles:
            return TranscriberName.SUBTITLES
        if recognises:
            return TranscriberName.POCKETSPHINX
        if target_subtitles:
            return TranscriberName.NONE
    if asked is TranscriberName.SUBTITLES and not subtitles:
        raise _unsupported("The subtitles transcriber needs the lesson's own --subtitles.")
    if asked is TranscriberName.NONE and not target_subtitles:
        raise _unsupported("Without a transcriber the dub needs --target-subtitles.")
    if asked in (None, TranscriberName.POCKETSPHINX) and not recognises:
        raise _unsupported(
            f"{name(source)} cannot be recognised here, only English: give the lesson's own "
            "subtitles with --subtitles."
        )
    assert asked is not None  # noqa: S101  # None was either returned above or refused
    return asked


def _translator(payload: DubPayload, have: Capabilities, target_subtitles: bool) -> TranslatorName:
    asked = _named(TranslatorName, payload.translator)
    if asked is None and target_subtitles:
        return TranslatorName.PROVIDED
    if asked is TranslatorName.PROVIDED:
        if not target_subtitles:
            raise _unsupported("The provided translator needs --target-subtitles.")
        return asked
    pair = (three_letters(payload.source_language), three_letters(payload.target_language))
    if pair not in have.pairs:
        raise _unsupported(
            f"{name(payload.source_language)} to {name(payload.target_language)} cannot be "
            "translated here: give the translation with --target-subtitles."
        )
    return TranslatorName.APERTIUM


def _synthesizer(asked: str | None, speech: Health) -> str:
    if asked not in (None, speech.engine):
        raise _unknown("synthesizer", str(asked), speech.engine)
    return speech.engine


def _voice(language: str, speech: Health) -> str:
    voice = voice_for(language, speech.spoken)
    if voice is not None:
        return voice
    lacks = speech.lacking(language)
    if lacks:
        raise _unsupported(f"{name(language)} cannot be spoken here now: {lacks}")
    raise _unsupported(f"There is no voice for {name(language)} here.")


def _named(names: type[_Name], asked: str | None) -> _Name | None:
    if asked is None:
        return None
    try:
        return names(asked)
    except ValueError:
        kind = names.__name__.removesuffix("Name").lower()
        raise _unknown(kind, asked, ", ".join(names)) from None


def _unknown(kind: str, asked: str, known: str) -> DubfleetError:
    return DubfleetError(
        Reason.ENGINE_UNKNOWN, f'There is no {kind} called "{asked}": choose from {known}.'
    )


def _unsupported(sentence: str) -> DubfleetError:
    return DubfleetError(Reason.PAIR_UNSUPPORTED, sentence)

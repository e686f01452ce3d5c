"""Which engines a dub runs with: decided before anything is decoded, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.engines.tts.espeak import voice_for
from gpu_node.languages import name, primary, same, three_letters

_Name = TypeVar("_Name", bound=StrEnum)


class TranscriberName(StrEnum):
    POCKETSPHINX = "pocketsphinx"
    SUBTITLES = "subtitles"
    NONE = "none"


class TranslatorName(StrEnum):
    APERTIUM = "apertium"
    PROVIDED = "provided"


class SynthesizerName(StrEnum):
    ESPEAK = "espeak"


class SeparatorName(StrEnum):
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is installed: Apertium's pairs (three letters), eSpeak's voices by language."""

    pairs: frozenset[tuple[str, str]]
    voices: Mapping[str, str]
    recognised: frozenset[str]


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The engines of one dub."""

    transcriber: TranscriberName
    translator: TranslatorName
    synthesizer: SynthesizerName
    separator: SeparatorName
    voice: str


def choose(
    payload: DubPayload, have: Capabilities, *, subtitles: bool, target_subtitles: bool
) -> EnginePlan:
    """Pick the engines. Languages are already in standard spelling.

    Raises DubfleetError: LANGUAGE_SAME, PAIR_UNSUPPORTED, ENGINE_UNKNOWN.
    """
    if same(payload.source_language, payload.target_language):
        raise DubfleetError(
            Reason.LANGUAGE_SAME,
            f"The lesson is already in {name(primary(payload.target_language))}: choose another "
            "language to dub it into.",
        )
    return EnginePlan(
        transcriber=_transcriber(payload, have, subtitles, target_subtitles),
        translator=_translator(payload, have, target_subtitles),
        synthesizer=_named(SynthesizerName, payload.synthesizer) or SynthesizerName.ESPEAK,
        separator=_named(SeparatorName, payload.separator) or SeparatorName.NONE,
        voice=_voice(payload.target_language, have),
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


def _voice(language: str, have: Capabilities) -> str:
    voice = voice_for(language, have.voices)
    if voice is None:
        raise _unsupported(f"There is no voice for {name(language)} here.")
    return voice


def _named(names: type[_Name], asked: str | None) -> _Name | None:
    if asked is None:
        return None
    try:
        return names(asked)
    except ValueError:
        kind = names.__name__.removesuffix("Name").lower()
        known = ", ".join(names)
        raise DubfleetError(
            Reason.ENGINE_UNKNOWN, f'There is no {kind} called "{asked}": choose from {known}.'
        ) from None


def _unsupported(sentence: str) -> DubfleetError:
    return DubfleetError(Reason.PAIR_UNSUPPORTED, sentence)

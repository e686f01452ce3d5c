"""Which engines a dub gets, for every wish and every machine, or why it gets none."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.engines.plan import (
    Capabilities,
    EnginePlan,
    SeparatorName,
    TranscriberName,
    TranslatorName,
    choose,
)
from gpu_node.engines.tts.health import Health, LanguageHealth


def speaking(*codes: str, **lacking: str) -> Health:
    """A service with these languages, and with some that lack something."""
    languages = {code: LanguageHealth(ready=True) for code in codes}
    languages |= {code: LanguageHealth(ready=False, lacks=why) for code, why in lacking.items()}
    return Health(
        status="healthy",
        engine="espeak",
        engine_version="1.51",
        version="0.1.0",
        languages=languages,
    )


HERE = Capabilities(
    pairs=frozenset({("eng", "spa"), ("spa", "eng")}),
    recognised=frozenset({"en"}),
    speech=lambda: speaking("es", "es-419", "en", "en-us", "zh", kk="Its stresser is missing."),
)


def planned(
    source: str, target: str, given: str = "", have: Capabilities = HERE, **wishes: Any
) -> EnginePlan:
    """`given`: "s" for the lesson's own subtitles, "t" for those of the target language."""
    payload = DubPayload(source_language=source, target_language=target, **wishes)
    return choose(payload, have, subtitles="s" in given, target_subtitles="t" in given)


@pytest.mark.parametrize(
    ("source", "target", "given", "transcriber", "translator"),
    [
        ("en", "es", "", "pocketsphinx", "apertium"),
        ("en-GB", "es-419", "", "pocketsphinx", "apertium"),
        ("en", "es", "s", "subtitles", "apertium"),
        ("en", "es", "t", "pocketsphinx", "provided"),
        ("en", "es", "st", "subtitles", "provided"),
        ("es", "en", "s", "subtitles", "apertium"),
        ("ru", "en", "st", "subtitles", "provided"),
        ("ru", "en", "t", "none", "provided"),
    ],
)
def test_the_best_that_is_there(
    source: str, target: str, given: str, transcriber: str, translator: str
) -> None:
    found = planned(source, target, given)
    assert (found.transcriber, found.translator) == (transcriber, translator)
    assert (found.synthesizer, found.synthesizer_version) == ("espeak", "1.51+service-0.1.0")
    assert found.separator is SeparatorName.NONE


@pytest.mark.parametrize(
    ("target", "voice"),
    [("es", "es"), ("es-419", "es-419"), ("es-MX", "es"), ("en", "en"), ("zh-Hans", "zh")],
)
def test_the_voice_is_the_targets(target: str, voice: str) -> None:
    assert planned("ru", target, "t").voice == voice


def test_a_wish_is_granted() -> None:
    found = planned("en", "es", "st", transcriber="pocketsphinx", translator="apertium")
    assert found.transcriber is TranscriberName.POCKETSPHINX
    assert found.translator is TranslatorName.APERTIUM
    found = planned("en", "es", "t", transcriber="none", synthesizer="espeak", separator="none")
    assert found.transcriber is TranscriberName.NONE


@pytest.mark.parametrize(
    ("source", "target", "given", "wishes", "reason", "sentence"),
    [
        (
            "en-US", "en-GB", "s", {}, Reason.LANGUAGE_SAME,
            "The lesson is already in English: choose another language to dub it into.",
        ),
        (
            "ru", "en", "", {}, Reason.PAIR_UNSUPPORTED,
            "Russian cannot be recognised here, only English: give the lesson's own subtitles "
            "with --subtitles.",
        ),
        (
            "ru", "en", "s", {}, Reason.PAIR_UNSUPPORTED,
            "Russian to English cannot be translated here: give the translation with "
            "--target-subtitles.",
        ),
        (
            "ru", "en", "t", {"transcriber": "pocketsphinx"}, Reason.PAIR_UNSUPPORTED,
            "Russian cannot be recognised here, only English: give the lesson's own subtitles "
            "with --subtitles.",
        ),
        (
            "en", "ru", "t", {}, Reason.PAIR_UNSUPPORTED,
            "There is no voice for Russian here.",
        ),
        (
            "en", "sv", "t", {}, Reason.PAIR_UNSUPPORTED,
            "There is no voice for sv here.",
        ),
        (
            "en", "kk", "t", {}, Reason.PAIR_UNSUPPORTED,
            "Kazakh cannot be spoken here now: Its stresser is missing.",
        ),
        (
            "en", "es", "", {"transcriber": "subtitles"}, Reason.PAIR_UNSUPPORTED,
            "The subtitles transcriber needs the lesson's own --subtitles.",
        ),
        (
            "en", "es", "s", {"transcriber": "none"}, Reason.PAIR_UNSUPPORTED,
            "Without a transcriber the dub needs --target-subtitles.",
        ),
        (
            "en", "es", "s", {"translator": "provided"}, Reason.PAIR_UNSUPPORTED,
            "The provided translator needs --target-subtitles.",
        ),
        (
            "ru", "en", "st", {"translator": "apertium"}, Reason.PAIR_UNSUPPORTED,
            "Russian to English cannot be translated here: give the translation with "
            "--target-subtitles.",
        ),
        (
            "en", "es", "", {"transcriber": "whisper"}, Reason.ENGINE_UNKNOWN,
            'There is no transcriber called "whisper": choose from pocketsphinx, subtitles, none.',
        ),
        (
            "en", "es", "", {"translator": ""}, Reason.ENGINE_UNKNOWN,
            'There is no translator called "": choose from apertium, provided.',
        ),
        (
            "en", "es", "", {"synthesizer": "eSpeak"}, Reason.ENGINE_UNKNOWN,
            'There is no synthesizer called "eSpeak": choose from espeak.',
        ),
        (
            "en", "es", "", {"separator": "demucs"}, Reason.ENGINE_UNKNOWN,
            'There is no separator called "demucs": choose from none.',
        ),
    ],
)  # fmt: skip
def test_why_not(
    source: str, target: str, given: str, wishes: dict[str, Any], reason: Reason, sentence: str
) -> None:
    with pytest.raises(DubfleetError) as caught:
        planned(source, target, given, **wishes)
    assert caught.value.reason is reason
    assert caught.value.sentence == sentence


def test_the_service_is_asked_last() -> None:
    """It may still be starting: whoever is refused for another reason need not wait for it."""

    def unasked() -> Health:
        raise AssertionError("it was asked")

    have = Capabilities(HERE.pairs, HERE.recognised, speech=unasked)
    for source, target, wishes in (
        ("en", "en", {}),
        ("ru", "en", {}),
        ("en", "es", {"separator": "x"}),
    ):
        with pytest.raises(DubfleetError):
            planned(source, target, "", have, **wishes)


NOTHING = Capabilities(pairs=frozenset(), recognised=frozenset(), speech=speaking)
MACHINES = (HERE, NOTHING, Capabilities(HERE.pairs, frozenset(), HERE.speech))
TRANSCRIBERS = (None, *TranscriberName, "whisper")
TRANSLATORS = (None, *TranslatorName, "ollama")


@pytest.mark.parametrize("languages", [("en", "es"), ("ru", "en"), ("en", "en-US"), ("sv", "ja")])
def test_every_plan_can_be_carried_out(languages: tuple[str, str]) -> None:
    every = product(("", "s", "t", "st"), MACHINES, TRANSCRIBERS, TRANSLATORS)
    for given, have, transcriber, translator in every:
        try:
            found = planned(*languages, given, have, transcriber=transcriber, translator=translator)
        except DubfleetError as error:
            assert error.sentence.endswith(".")
            continue
        assert transcriber in (None, found.transcriber)
        assert translator in (None, found.translator)
        needs = {
            TranscriberName.POCKETSPHINX: languages[0] in have.recognised,
            TranscriberName.SUBTITLES: "s" in given,
            TranscriberName.NONE: "t" in given,
            TranslatorName.PROVIDED: "t" in given,
            TranslatorName.APERTIUM: bool(have.pairs) and languages == ("en", "es"),
        }
        assert needs[found.transcriber]
        assert needs[found.translator]
        assert found.voice in have.speech().spoken

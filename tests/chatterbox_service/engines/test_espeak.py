"""The real eSpeak NG."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_service.engines.espeak import EspeakEngine, voices_by_language
from chatterbox_service.ports import EngineFault, Line, Take


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def engine() -> EspeakEngine:
    engine = EspeakEngine(2)
    engine.load()
    return engine


def said(engine: EspeakEngine, *lines: Line) -> list[Take]:
    return sorted(engine.speak(lines, never), key=lambda take: take.at)


def test_it_speaks_at_the_services_rate(engine: EspeakEngine) -> None:
    [take] = said(engine, Line("Good morning, everybody.", "en", 1))
    assert take.samples is not None
    assert take.samples.dtype == np.float32
    assert 1.0 < len(take.samples) / engine.sample_rate < 4.0
    assert 0.1 < float(np.abs(take.samples).max()) <= 1.0


def test_lines_of_several_languages_come_each_once(engine: EspeakEngine) -> None:
    lines = [
        Line(text, code, 1) for text, code in (("Hello", "en"), ("Привет", "ru"), ("你好", "zh"))
    ]
    takes = said(engine, *lines)
    assert [take.at for take in takes] == [0, 1, 2]
    assert all(take.samples is not None for take in takes)


def test_the_same_is_said_the_same_way_again(engine: EspeakEngine) -> None:
    first, second = (said(engine, Line("Once more.", "en", 1))[0] for _ in range(2))
    assert first.samples is not None
    assert second.samples is not None
    assert np.array_equal(first.samples, second.samples)


@settings(deadline=None, max_examples=15)
@given(st.text(max_size=60))
def test_no_text_stops_it(text: str) -> None:
    engine = EspeakEngine(1)
    engine.load()
    [take] = said(engine, Line(text, "en", 1))
    assert (take.samples is None) == bool(take.fault)
    engine.close()


def test_phonemes_and_commands_in_a_text_are_words_like_others(engine: EspeakEngine) -> None:
    plain, tricked = said(engine, Line("dog", "en", 1), Line("[[d'0g]]", "en", 1))
    assert plain.samples is not None
    assert tricked.samples is not None
    assert len(plain.samples) != len(tricked.samples)


def test_it_ends_soon_after_nobody_waits(engine: EspeakEngine) -> None:
    began = time.monotonic()
    takes = list(engine.speak([Line("word " * 20_000, "en", 1)] * 4, lambda: True))
    assert takes == []
    assert time.monotonic() - began < 2.0
    engine.speak([Line("next", "en", 1)], never)
    assert said(engine, Line("next", "en", 1))[0].samples is not None
    assert time.monotonic() - began < 4.0


def test_a_region_is_spoken_as_there_and_a_language_by_its_best_voice(engine: EspeakEngine) -> None:
    languages = engine.languages()
    assert {"en", "en-us", "pt", "pt-br", "es", "es-419", "ru", "zh", "de"} <= set(languages)
    assert not any(language.lacks for language in languages.values())


def test_the_list_of_voices_is_read() -> None:
    listed = (
        "Pty Language       Age/Gender VoiceName          File                 Other Languages\n"
        " 5  en-029          --/M      English_(Caribbean) gmw/en-029          (en 10)\n"
        " 2  en-gb           --/M      English_(GB)       gmw/en               (en 2)\n"
        " 5  cmn             --/M      Chinese_(Mandarin) sit/cmn              (zh-cmn 5)(zh 5)\n"
    )
    voices = voices_by_language(listed)
    assert voices["en"] == "en-gb"
    assert voices["en-029"] == "en-029"
    assert voices["zh"] == "cmn"


def test_without_the_program_it_says_which_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(EngineFault, match="install the package espeak-ng"):
        EspeakEngine(1).load()


def test_a_reference_is_taken_and_does_not_change_the_voice(engine: EspeakEngine) -> None:
    voice = engine.prepare("f" * 64, Path("reference.wav"), 0.5)
    with_it, without = said(engine, Line("Hello", "en", 1, voice=voice), Line("Hello", "en", 1))
    assert with_it.samples is not None
    assert without.samples is not None
    assert np.array_equal(with_it.samples, without.samples)
    assert not engine.clones

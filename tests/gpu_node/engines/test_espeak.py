"""eSpeak's lines: exactly the words, without the silence around them, the same every time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.engines.tts.espeak import (
    EspeakSettings,
    audible_bounds,
    installed_voices,
    speak,
    version,
    voice_for,
)
from gpu_node.graph import StageContext
from tests.gpu_node.making import RATE, Sound, stage_context, tone

SPANISH = EspeakSettings(voice="es-419")
ITEM = Utterance(id="u0001", start=0.0, end=1.0, text="A house.")


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[StageContext]:
    with stage_context(tmp_path) as context:
        yield context


@pytest.fixture(scope="module")
def voices() -> Mapping[str, str]:
    return installed_voices()


def spoken(ctx: StageContext, text: str, settings: EspeakSettings = SPANISH) -> SpokenLine:
    return speak(ctx, settings, ITEM, Translation(id=ITEM.id, text=text, spoken=text))


def sound_of(ctx: StageContext, line: SpokenLine) -> Sound:
    samples, rate = soundfile.read(ctx.path(line.audio), dtype="float64")
    assert (rate, samples.ndim) == (RATE, 1)
    heard: Sound = samples
    return heard


def failure(ctx: StageContext, text: str, settings: EspeakSettings = SPANISH) -> ItemFailed:
    with pytest.raises(ItemFailed) as caught:
        spoken(ctx, text, settings)
    return caught.value


# --- What is spoken


def test_a_line_begins_and_ends_with_its_words(ctx: StageContext) -> None:
    line = spoken(ctx, "La casa es roja.")
    sound = sound_of(ctx, line)
    assert line.id == ITEM.id
    assert line.duration == pytest.approx(len(sound) / RATE)
    assert 0.8 < line.duration < 2.0
    heard = np.flatnonzero(np.abs(sound) > np.abs(sound).max() * 10 ** (-45 / 20))
    assert heard[0] / RATE <= 0.011
    assert (len(sound) - heard[-1]) / RATE <= 0.061


@pytest.mark.parametrize("text", ["Mamá.", "Así es.", "Todo bien.", "Hola.", "Cinco."])
def test_the_lead_says_where_the_sound_sets_in(ctx: StageContext, text: str) -> None:
    line = spoken(ctx, text)
    sound = sound_of(ctx, line)
    heard = np.flatnonzero(np.abs(sound) > np.abs(sound).max() * 10 ** (-45 / 20))
    assert line.lead == pytest.approx(heard[0] / RATE, abs=0.001)


def test_the_same_words_are_the_same_bytes(ctx: StageContext) -> None:
    one, two, other = (spoken(ctx, text).audio for text in ("Hola.", "Hola.", "Adiós."))
    assert one == two
    assert one != other


def test_faster_is_shorter(ctx: StageContext) -> None:
    slow, fast = (
        spoken(ctx, "La casa es roja.", EspeakSettings(voice="es-419", words_per_minute=rate))
        for rate in (120, 240)
    )
    assert fast.duration < slow.duration * 0.7


@pytest.mark.parametrize(
    ("voice", "text"),
    [("en-us", "Hello."), ("ru", "Привет."), ("pt-br", "Bom dia."), ("cmn", "你好。")],
)
def test_other_languages_speak(ctx: StageContext, voice: str, text: str) -> None:
    assert 0.2 < spoken(ctx, text, EspeakSettings(voice=voice)).duration < 2.0


# --- What text must not do


def test_phoneme_brackets_are_not_obeyed(ctx: StageContext) -> None:
    # Inside [[ ]] eSpeak takes letters for phonemes: all brackets gone, they are letters again.
    assert spoken(ctx, "[[casa]]").audio == spoken(ctx, "casa").audio


def test_markup_is_read_not_obeyed(ctx: StageContext) -> None:
    pause = spoken(ctx, "Hola <break time='5s'/> mundo.")
    sound = np.abs(sound_of(ctx, pause))
    quiet = np.flatnonzero(sound > 0.01)
    assert np.diff(quiet).max() < RATE
    assert spoken(ctx, "<speak>Hola</speak>").duration > spoken(ctx, "Hola").duration


def test_a_dash_does_not_make_an_option(ctx: StageContext) -> None:
    assert spoken(ctx, "-v en hola").duration > spoken(ctx, "hola").duration


@pytest.mark.parametrize("text", ["\x01\x1fhola", "ho\x00la", "hola\n\n\nmundo", "\ud800 hola"])
def test_odd_characters_are_harmless(ctx: StageContext, text: str) -> None:
    assert spoken(ctx, text).duration < 2.0


def test_a_long_text_is_spoken_to_its_end(ctx: StageContext) -> None:
    one, many = (spoken(ctx, "La casa es roja. " * count).duration for count in (1, 60))
    assert many > 50 * one


@pytest.mark.parametrize("text", ["", " ", "...", "¿?", "♪ ♪", "😀", "[[", "% $ &", "\0"])
def test_what_has_no_words_is_nothing_to_speak(ctx: StageContext, text: str) -> None:
    assert failure(ctx, text).reason is Reason.NOTHING_TO_SPEAK


def test_a_voice_that_is_not_there_fails_the_line(ctx: StageContext) -> None:
    error = failure(ctx, "Hola.", EspeakSettings(voice="nonsense"))
    assert error.reason is Reason.SPEECH_FAILED
    assert "voice" in error.detail


def test_stop_is_obeyed(ctx: StageContext) -> None:
    ctx.stop.set()
    with pytest.raises(DubfleetError) as caught:
        spoken(ctx, "Hola.")
    assert caught.value.reason is Reason.CANCELLED


# --- Which voice


def test_the_version_is_a_number() -> None:
    assert version().split(".")[0].isdigit()


@pytest.mark.parametrize(
    ("tag", "voice"),
    [
        ("es", "es"),
        ("es-419", "es-419"),
        ("es-MX", "es-419"),
        ("es-ES", "es"),
        ("en", "en-gb"),
        ("en-US", "en-us"),
        ("en-AU", "en-gb"),
        ("ru", "ru"),
        ("pt-BR", "pt-br"),
        ("pt", "pt"),
        ("fr", "fr-fr"),
        ("de-AT", "de"),
        ("zh", "cmn"),
        ("zh-Hans", "cmn"),
        ("xx", None),
    ],
)
def test_the_voice_for_a_language(voices: Mapping[str, str], tag: str, voice: str | None) -> None:
    assert voice_for(tag, voices) == voice


def test_any_region_is_better_than_none() -> None:
    assert voice_for("en", {"en-au": "en-au", "de": "de"}) == "en-au"


# --- Where a line can be heard


@given(st.integers(0, 2000), st.integers(50, 2000), st.integers(0, 2000))
def test_bounds_are_those_of_the_sound(before: int, length: int, after: int) -> None:
    loud = np.where(np.arange(length) % 2, 0.5, -0.5)
    sound = np.concatenate([np.zeros(before), loud, np.zeros(after)]).astype(np.float32)
    assert audible_bounds(sound) == (before, before + length)


def test_a_faint_consonant_is_heard_and_hiss_is_not() -> None:
    parts = [tone(100, 0.1, dbfs=level) for level in (-60, -35, -3, -60)]
    found = audible_bounds(np.concatenate(parts).astype(np.float32))
    assert found is not None
    assert found[0] / RATE == pytest.approx(0.1, abs=0.002)
    assert found[1] / RATE == pytest.approx(0.3, abs=0.002)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_silence_has_no_bounds(count: int) -> None:
    assert audible_bounds(np.zeros(count, dtype=np.float32)) is None

"""Spoken lines, from the real service: exactly the words, without the silence around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.engines.tts.asking import Address
from gpu_node.engines.tts.health import Health, LanguageHealth, voice_for
from gpu_node.engines.tts.service import Named, SpeechService
from gpu_node.engines.tts.speech import SpeakSettings, Speech
from gpu_node.graph import StageContext
from tests.gpu_node.making import RATE, Sound, stage_context
from tests.support.speech import speech_server

SPANISH = SpeakSettings(language="es-419")
ITEM = Utterance(id="u0001", start=0.0, end=1.0, text="A house.")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechService]:
    with speech_server(tmp_path_factory.mktemp("speech")) as server:
        yield SpeechService(Named(Address.parse(server.url)))


@pytest.fixture(scope="module")
def health(service: SpeechService) -> Health:
    return service.found().health


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[StageContext]:
    with stage_context(tmp_path) as context:
        yield context


class Speaker:
    """Says a text in the way a dub does."""

    def __init__(self, service: SpeechService, ctx: StageContext) -> None:
        self.speech, self.ctx = Speech(service), ctx

    def __call__(self, text: str, settings: SpeakSettings = SPANISH) -> SpokenLine:
        line = Translation(id=ITEM.id, text=text, spoken=text)
        return self.speech.speak(self.ctx, settings, ITEM, line)

    def failure(self, text: str, settings: SpeakSettings = SPANISH) -> ItemFailed:
        with pytest.raises(ItemFailed) as caught:
            self(text, settings)
        return caught.value

    def sound(self, line: SpokenLine) -> Sound:
        samples, rate = soundfile.read(self.ctx.path(line.audio), dtype="float64")
        assert (rate, samples.ndim) == (RATE, 1)
        heard: Sound = samples
        return heard


@pytest.fixture
def spoken(service: SpeechService, ctx: StageContext) -> Speaker:
    return Speaker(service, ctx)


# --- What is spoken


def test_a_line_begins_and_ends_with_its_words(spoken: Speaker) -> None:
    line = spoken("La casa es roja.")
    sound = spoken.sound(line)
    assert line.id == ITEM.id
    assert line.duration == pytest.approx(len(sound) / RATE)
    assert 0.8 < line.duration < 2.0
    heard = np.flatnonzero(np.abs(sound) > np.abs(sound).max() * 10 ** (-45 / 20))
    assert heard[0] / RATE <= 0.011
    assert (len(sound) - heard[-1]) / RATE <= 0.061


@pytest.mark.parametrize("text", ["Mamá.", "Así es.", "Todo bien.", "Hola.", "Cinco."])
def test_the_lead_says_where_the_sound_sets_in(spoken: Speaker, text: str) -> None:
    line = spoken(text)
    sound = spoken.sound(line)
    heard = np.flatnonzero(np.abs(sound) > np.abs(sound).max() * 10 ** (-45 / 20))
    assert line.lead == pytest.approx(heard[0] / RATE, abs=0.001)


def test_the_same_words_are_the_same_bytes(spoken: Speaker) -> None:
    one, two, other = (spoken(text).audio for text in ("Hola.", "Hola.", "Adiós."))
    assert one == two
    assert one != other


@pytest.mark.parametrize(
    ("tag", "text"),
    [("en-US", "Hello."), ("ru", "Привет."), ("pt-BR", "Bom dia."), ("zh-Hans", "你好。")],
)
def test_other_languages_speak(spoken: Speaker, health: Health, tag: str, text: str) -> None:
    language = voice_for(tag, health.spoken)
    assert language is not None
    assert 0.2 < spoken(text, SpeakSettings(language=language)).duration < 2.0


def test_one_language_does_not_sound_like_another(spoken: Speaker) -> None:
    one, other = (spoken("Data.", SpeakSettings(language=code)) for code in ("es", "en"))
    assert one.audio != other.audio


# --- What text must not do


def test_phoneme_brackets_are_not_obeyed(spoken: Speaker) -> None:
    # Inside [[ ]] eSpeak takes letters for phonemes: all brackets gone, they are letters again.
    assert spoken("[[casa]]").audio == spoken("casa").audio


def test_markup_is_read_not_obeyed(spoken: Speaker) -> None:
    pause = spoken("Hola <break time='5s'/> mundo.")
    quiet = np.flatnonzero(np.abs(spoken.sound(pause)) > 0.01)
    assert np.diff(quiet).max() < RATE
    assert spoken("<speak>Hola</speak>").duration > spoken("Hola").duration


def test_a_dash_does_not_make_an_option(spoken: Speaker) -> None:
    assert spoken("-v en hola").duration > spoken("hola").duration


@pytest.mark.parametrize(
    "text", ["\x01\x1fhola", "ho\x00la", "hola\n\n\nmundo", "\ud800 hola", "\x85hola\x9f"]
)
def test_odd_characters_are_harmless(spoken: Speaker, text: str) -> None:
    assert spoken(text).duration < 2.5


def test_a_long_text_is_spoken_to_its_end(spoken: Speaker) -> None:
    one, many = (spoken("La casa es roja. " * count).duration for count in (1, 60))
    assert many > 50 * one


@pytest.mark.parametrize("text", ["", " ", "...", "¿?", "♪ ♪", "😀", "[[", "% $ &", "\0", "<>"])
def test_what_has_no_words_is_nothing_to_speak(spoken: Speaker, text: str) -> None:
    assert spoken.failure(text).reason is Reason.NOTHING_TO_SPEAK


@pytest.mark.parametrize(
    ("text", "language", "detail"),
    [("Hola.", "xx", '"xx" is not spoken here'), ("hola " * 2000, "es", "may have 5000")],
)
def test_what_the_service_refuses_fails_the_line(
    spoken: Speaker, text: str, language: str, detail: str
) -> None:
    error = spoken.failure(text, SpeakSettings(language=language))
    assert error.reason is Reason.SPEECH_FAILED
    assert detail in error.detail


def test_stop_is_obeyed(spoken: Speaker, ctx: StageContext) -> None:
    ctx.stop.set()
    with pytest.raises(DubfleetError) as caught:
        spoken("Hola.")
    assert caught.value.reason is Reason.CANCELLED


# --- Which language


def test_what_a_line_depends_on_is_named_with_its_versions(health: Health) -> None:
    assert health.engine == "espeak"
    engine, _, service = health.speaker.partition("+service-")
    assert engine.split(".")[0].isdigit()
    assert service.split(".")[0].isdigit()


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("es", "es"),
        ("es-419", "es-419"),
        ("es-MX", "es-mx"),
        ("es-ES", "es"),
        ("en", "en"),
        ("en-US", "en-us"),
        ("en-AU", "en"),
        ("ru", "ru"),
        ("pt-BR", "pt-br"),
        ("pt", "pt"),
        ("fr", "fr"),
        ("de-AT", "de"),
        ("zh", "zh"),
        ("zh-Hans", "zh"),
        ("xx", None),
    ],
)
def test_the_code_for_a_language(health: Health, tag: str, code: str | None) -> None:
    assert voice_for(tag, health.spoken) == code


def test_any_region_is_better_than_none() -> None:
    assert voice_for("en", ("en-au", "de")) == "en-au"


def test_the_services_own_spelling_is_kept() -> None:
    assert voice_for("pt-br", ("PT-BR", "pt")) == "PT-BR"


def test_what_is_not_ready_is_not_spoken() -> None:
    languages = {
        "en": LanguageHealth(ready=True),
        "ru": LanguageHealth(ready=False, lacks="The stresser is missing."),
    }
    health = Health(
        status="healthy", engine="e", engine_version="1", version="1", languages=languages
    )
    assert health.spoken == {"en"}
    assert health.lacking("ru-RU") == "The stresser is missing."
    assert health.lacking("en") == health.lacking("xx") == ""

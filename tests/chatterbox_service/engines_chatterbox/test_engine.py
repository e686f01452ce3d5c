"""The whole engine on random weights: loaded from a folder, a voice prepared, lines spoken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

_WHY = "the real engine's packages are not in this environment"
torch = pytest.importorskip("torch", reason=_WHY)
pytest.importorskip("transformers", reason=_WHY)

from chatterbox_service.engines.chatterbox import batching, limits  # noqa: E402  # after the skip
from chatterbox_service.engines.chatterbox.engine import ChatterboxEngine  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.facts import SPEECH_TOKENS  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.options import Device, Options  # noqa: E402  # as above
from chatterbox_service.ports import EngineFault, Line, Manner, Take, Voice  # noqa: E402  # as above
from tests.chatterbox_service.engines_chatterbox import random_models, upstream  # noqa: E402  # as above

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("weights")
    random_models.write_multilingual(made)
    return made


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[ChatterboxEngine]:
    made = ChatterboxEngine(Options(folder=folder, device=Device.CPU))
    with random_models.thin_layers():
        made.load()
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of something with a pitch."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    time = np.arange(3 * 24_000) / 24_000
    sound = 0.3 * np.sin(2 * np.pi * 180 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    soundfile.write(path, sound.astype(np.float32), 24_000)
    return path


@pytest.fixture(scope="module")
def voice(engine: ChatterboxEngine, reference: Path) -> Voice:
    return engine.prepare("a", reference, 0.5)


@pytest.fixture(autouse=True)
def _speech_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights say tokens that are no speech; upstream's multilingual class fails on them."""

    def kept(tokens: Any) -> Any:
        return tokens[tokens < SPEECH_TOKENS]

    monkeypatch.setattr("chatterbox.mtl_tts.drop_invalid_tokens", kept)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights seldom end by themselves: what a line had said by its bound is taken."""
    monkeypatch.setattr(limits, "most_tokens", lambda text, _: 8 + len(text) // 4)
    speak = vars(batching)["speak"]

    def ended(*given: Any, **named: Any) -> Any:
        return [type(said)(said.tokens, ended=True) for said in speak(*given, **named)]

    monkeypatch.setattr(batching, "speak", ended)


def _never() -> bool:
    return False


def _lines(voice: Voice) -> list[Line]:
    texts = ("Good morning everybody.", "Yes, that is so.", "We begin with a rather longer line.")
    return [
        Line(text, "en", seed=seed, manner=Manner(cfg_weight=weight), voice=voice)
        for seed, (text, weight) in enumerate(zip(texts, (0.5, 0.0, 0.3), strict=True))
    ]


def _sound(take: Take) -> Any:
    assert take.samples is not None, take.fault
    return take.samples


def test_a_batch_sounds_as_upstreams_generate_does(
    engine: ChatterboxEngine, voice: Voice, reference: Path
) -> None:
    """From text and reference to watermarked sound, each line against upstream alone."""
    lines = _lines(voice)
    takes = {take.at: take for take in engine.speak(lines, _never)}
    assert sorted(takes) == [0, 1, 2]
    loaded = engine._loaded  # upstream's own object
    assert loaded is not None
    model = loaded.model
    inference = model.t3.inference
    for at, line in enumerate(lines):
        most = limits.most_tokens(line.text, "en")

        def bounded(most: int = most, **given: Any) -> Any:
            return inference(**{**given, "max_new_tokens": most})

        model.t3.inference = bounded
        try:
            with (
                upstream.dice(upstream.Heard(), line.seed, most),
                upstream.noise(model.s3gen, line.seed),
            ):
                theirs = model.generate(
                    line.text,
                    "en",
                    audio_prompt_path=str(reference),
                    cfg_weight=line.manner.cfg_weight,
                )
        finally:
            model.t3.inference = inference
            model.conds = None
        ours = _sound(takes[at])
        assert ours.shape == theirs[0].shape
        assert np.abs(ours - theirs[0].numpy()).max() < 1e-3
        assert model.watermarker.get_watermark(ours, sample_rate=24_000) == 1.0


def test_a_seed_gives_the_same_sound_again_and_another_one_another(
    engine: ChatterboxEngine, voice: Voice
) -> None:
    line = _lines(voice)[1]
    first, again = (_sound(next(iter(engine.speak([line], _never)))) for _ in range(2))
    other = _sound(next(iter(engine.speak([Line(line.text, "en", 77, voice=voice)], _never))))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or np.abs(first - other).max() > 1e-3


def test_a_reference_is_encoded_once_whatever_the_exaggeration(
    engine: ChatterboxEngine, reference: Path
) -> None:
    before = engine.encodings
    calm = engine.prepare("again", reference, 0.3)
    lively = engine.prepare("again", reference, 1.1)
    assert engine.encodings == before + 1
    assert calm.prepared is lively.prepared
    assert 10_000 < calm.size < 1 << 20


def test_one_line_fails_alone(engine: ChatterboxEngine, voice: Voice) -> None:
    good = _lines(voice)[1]
    lines = [
        Line("...", "en", 1, voice=voice),
        good,
        Line("Hello there.", "uk", 1, voice=voice),
        Line("Hello there.", "en", 1),
        Line("word " * 1200, "en", 1, voice=voice),
    ]
    takes = {take.at: take for take in engine.speak(lines, _never)}
    assert takes[1].samples is not None
    assert "nothing to say" in takes[0].fault
    assert "does not speak 'uk'" in takes[2].fault
    assert "no voice of their own" in takes[3].fault
    assert "too long" in takes[4].fault


def test_nothing_is_owed_after_a_stop(engine: ChatterboxEngine, voice: Voice) -> None:
    assert list(engine.speak(_lines(voice), lambda: True)) == []


def test_out_of_memory_halves_the_batch(
    engine: ChatterboxEngine, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a line alone for which it does not suffice is the engine's fault."""
    speak, most = vars(batching)["speak"], 1

    def cramped(model: Any, asked: Any, *rest: Any) -> Any:
        if len(asked) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return speak(model, asked, *rest)

    monkeypatch.setattr(batching, "speak", cramped)
    takes = list(engine.speak(_lines(voice), _never))
    assert sorted(take.at for take in takes if take.samples is not None) == [0, 1, 2]
    most = 0
    with pytest.raises(EngineFault, match="single line"):
        list(engine.speak(_lines(voice), _never))


def test_what_the_languages_lack(engine: ChatterboxEngine) -> None:
    """The codes of Chinese signs are found beside the weights; its segmenter has no model here."""
    loaded = engine._loaded  # upstream's own object
    assert loaded is not None
    assert loaded.model.tokenizer.cangjie_converter("\u597d") == "[cj_v][cj_n][cj_d][cj_.]"
    languages = engine.languages()
    assert languages["en"].lacks == ""
    assert "russian_text_stresser" in languages["ru"].lacks
    assert "Chinese lacks its words" in languages["zh"].lacks
    assert engine.device() == "cpu"
    assert engine.memory_used() == 0


def test_sizes_grow_with_text_and_guidance(engine: ChatterboxEngine) -> None:
    def size(text: str, weight: float) -> int:
        return engine.size(Line(text, "en", 0, Manner(cfg_weight=weight)))

    assert size("Good morning.", 0.5) == 2 * size("Good morning.", 0.0)
    assert size("Good morning to all of you.", 0.5) > size("Good morning.", 0.5)


def test_a_reference_that_is_no_sound(engine: ChatterboxEngine, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(EngineFault, match="could not be read"):
        engine.prepare("bad", tmp_path / "text.wav", 0.5)


def test_weights_of_another_make_are_said_to_fail(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "ve.pt").unlink()
    torch.save({"odd": torch.zeros(1)}, tmp_path / "ve.pt")
    with pytest.raises(EngineFault, match="could not be loaded"):
        ChatterboxEngine(Options(folder=tmp_path, device=Device.CPU)).load()

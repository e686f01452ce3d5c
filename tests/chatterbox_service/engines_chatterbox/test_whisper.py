"""The recogniser as far as it goes without weights: nothing is fetched, and it says so."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.ports import EngineFault, Recogniser
from chatterbox_service.recognisers.whisper import WhisperRecogniser, resampled


class _Model:
    """faster-whisper's, as far as it is used."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self.given, self.options = given, options
        self.asked: list[tuple[Any, dict[str, Any]]] = []

    def transcribe(self, samples: Any, **options: Any) -> tuple[list[Any], None]:
        self.asked.append((samples, options))
        return [SimpleNamespace(text=" Good morning, "), SimpleNamespace(text=" all.")], None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[_Model]:
    models: list[_Model] = []

    def model(*given: Any, **options: Any) -> _Model:
        models.append(_Model(*given, **options))
        return models[-1]

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=model))
    return models


def test_it_hears_with_nothing_invented_and_nothing_fetched(made: list[_Model]) -> None:
    recogniser: Recogniser = WhisperRecogniser("small", device="cpu", compute_type="int8")
    recogniser.load()
    heard = recogniser.transcribe(np.zeros(24_000, np.float32), 24_000, "en")
    assert heard == "Good morning, all."
    assert made[0].options["local_files_only"] is True
    assert (made[0].options["device"], made[0].options["compute_type"]) == ("cpu", "int8")
    samples, options = made[0].asked[0]
    assert len(samples) == 16_000
    assert options["language"] == "en"
    assert options["condition_on_previous_text"] is False
    assert options["vad_filter"] is False
    assert options["temperature"] == 0.0


def test_what_is_too_short_for_a_word_is_not_asked_about(made: list[_Model]) -> None:
    recogniser = WhisperRecogniser("small", device="cpu")
    recogniser.load()
    assert recogniser.transcribe(np.zeros(1000, np.float32), 24_000, "en") == ""
    assert made[0].asked == []


def test_a_missing_package_or_model_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(EngineFault, match="is not installed"):
        WhisperRecogniser("small").load()

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("not in the cache")

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=fails))
    with pytest.raises(EngineFault, match=r"'small' could not be loaded.*not in the cache"):
        WhisperRecogniser("small").load()


def test_after_closing_it_has_to_be_loaded_again(made: list[_Model]) -> None:
    recogniser = WhisperRecogniser("small", device="cpu")
    recogniser.load()
    recogniser.close()
    recogniser.close()
    with pytest.raises(EngineFault, match="has not been loaded"):
        recogniser.transcribe(np.zeros(24_000, np.float32), 24_000, "en")
    assert len(made) == 1


@given(st.integers(2_400, 48_000), st.sampled_from([16_000, 22_050, 24_000, 44_100]))
def test_resampling_keeps_the_length_in_time(length: int, rate: int) -> None:
    slower = resampled(np.zeros(length, np.float32), rate)
    assert slower.dtype == np.float32
    assert abs(len(slower) / 16_000 - length / rate) < 0.001

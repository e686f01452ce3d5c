"""faster-whisper: what was said, as it is heard. To check candidates, not to transcribe films."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import soxr

from chatterbox_service.ports import EngineFault, Samples

_RATE = 16_000
_BEAM = 2
"""Its default of 5 costs twice the time, and a check needs no better."""
_SHORTEST_SECONDS = 0.1
"""Less is no word, and the model's own padding would be all that it hears."""


class WhisperRecogniser:
    """A Recogniser. Nothing is fetched: the model has to lie in a folder or in the hub's cache."""

    name = "faster-whisper"

    def __init__(
        self, model: str, *, device: str = "cuda", compute_type: str = "default", threads: int = 4
    ) -> None:
        """`model`: a folder, or a name such as "large-v3-turbo".

        `device`: "cuda" or "cpu", never with a number: ctranslate2 wants the bare name.
        `compute_type`: "default" is what the weights were saved in.
        """
        self._name = model
        self._device = device
        self._compute_type = compute_type
        self._threads = threads
        self._model: Any = None

    def load(self) -> None:
        try:
            package = importlib.import_module("faster_whisper")
        except ImportError as error:
            raise EngineFault(
                "faster-whisper is not installed: install the service with its extra `chatterbox`, "
                "or set no recogniser."
            ) from error
        try:
            self._model = package.WhisperModel(
                self._name,
                device=self._device,
                compute_type=self._compute_type,
                cpu_threads=self._threads,
                local_files_only=True,
            )
        except Exception as error:
            raise EngineFault(
                f"The recogniser {self._name!r} could not be loaded: fetch it beforehand, or set "
                f"none ({error})."
            ) from error

    def transcribe(self, samples: Samples, sample_rate: int, language: str) -> str:
        if self._model is None:
            raise EngineFault("The recogniser has not been loaded.")
        if len(samples) < _SHORTEST_SECONDS * sample_rate:
            return ""
        try:
            segments, _ = self._model.transcribe(
                resampled(samples, sample_rate),
                language=language,
                task="transcribe",
                beam_size=_BEAM,
                # One attempt, no dice: a retry at a higher temperature makes words up.
                temperature=0.0,
                # Else an invented sentence breeds the next.
                condition_on_previous_text=False,
                # It would cut short words away, and take their absence for silence.
                vad_filter=False,
                without_timestamps=True,
            )
            return " ".join(segment.text.strip() for segment in segments).strip()
        except Exception as error:
            raise EngineFault(f"The recogniser failed: {error}") from error

    def close(self) -> None:
        # Its memory is ctranslate2's, and given back when nobody holds the model any more.
        self._model = None


def resampled(samples: Samples, sample_rate: int) -> Samples:
    """To the 16 kHz that the model was taught with."""
    if sample_rate == _RATE:
        return np.ascontiguousarray(samples, np.float32)
    slower: Samples = soxr.resample(samples, sample_rate, _RATE, quality="HQ").astype(np.float32)
    return slower

"""One batch from lines to sound: prompts, T3, S3Gen, watermark. The engine's inside, with torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chatterbox_service.engines.chatterbox import limits, plan
from chatterbox_service.engines.chatterbox.conditionals import conditioning
from chatterbox_service.engines.chatterbox.facts import (
    SILENCE_TOKEN,
    SPEECH_TOKENS,
    TURBO_SILENCES,
    Edition,
    Release,
)
from chatterbox_service.engines.chatterbox.flow_batch import Spoken
from chatterbox_service.engines.chatterbox.prompts import (
    Prompt,
    gpt2_prompt,
    llama_prompt,
    most_text_tokens,
)
from chatterbox_service.engines.chatterbox.references import Encoding
from chatterbox_service.engines.chatterbox.s3gen_batch import SeededNoise, sounds
from chatterbox_service.engines.chatterbox.t3_batch import Asked, Said, speak
from chatterbox_service.engines.chatterbox.t3_model import T3Model
from chatterbox_service.engines.chatterbox.watermark import Watermark
from chatterbox_service.ports import Line, Samples, Take

_AFTER_MARKS = 4
"""Takes whose watermark may still be under way for each thread, before one is waited for."""
_COLDEST = 1e-2
"""Upstream divides by the temperature."""


@dataclass(frozen=True, slots=True)
class Worded:
    """A line as the model is given it."""

    at: int
    line: Line
    text: torch.Tensor
    """(tokens,), without start and stop."""
    encoding: Encoding


class Batches:
    """Speaks batches with one loaded edition."""

    def __init__(
        self,
        edition: Edition,
        release: Release,
        model: Any,
        watermark: Watermark,
        *,
        cache_bytes: int,
        working_bytes: int,
    ) -> None:
        self._edition, self._release, self._model = edition, release, model
        self._watermark = watermark
        self._cache_bytes, self._working_bytes = cache_bytes, working_bytes
        self.t3 = T3Model(model.t3, release.sampling)
        self.most_text = most_text_tokens(model.t3)
        self._element = torch.empty((), dtype=self.t3.dtype).element_size()

    def size(self, text_tokens: int, line: Line) -> int:
        """Bytes of the cache at most."""
        return plan.line_bytes(
            self.t3.backbone.shape,
            self._element,
            prompt=self._release.conditioning + text_tokens + 2 + self._release.starts,
            most_tokens=limits.most_tokens(line.text, line.language),
            guided=self._guided(line),
        )

    def speak(self, lines: Sequence[Worded], stop: Callable[[], bool]) -> Iterator[Take]:
        """Raises whatever torch does."""
        wanted = [(len(line.text), self._most(line)) for line in lines]
        wide = 2 if any(self._guided(line.line) for line in lines) else 1
        extra = self._release.conditioning + 2 + self._release.starts

        def cost(text: int, most: int) -> int:
            shape = self.t3.backbone.shape
            columns = extra + text + most
            return plan.cache_bytes(shape, wide, columns, self._element)

        for group in plan.fitting(wanted, cost, self._cache_bytes):
            yield from self._together([lines[at] for at in group], stop)
            if stop():
                return

    def _together(self, lines: Sequence[Worded], stop: Callable[[], bool]) -> Iterator[Take]:
        with torch.inference_mode():
            asked = [self._asked(line) for line in lines]
            said = speak(self.t3, asked, stop)
            del asked
            _release_memory(self.t3.device)
        if stop():
            return
        spoken, whose = [], []
        for line, outcome in zip(lines, said, strict=True):
            tokens, fault = self._speech(outcome, line)
            if fault:
                yield Take(line.at, None, fault)
                continue
            spoken.append(Spoken(tokens, line.encoding.timbre))
            whose.append(line)
        yield from self._sounded(spoken, whose, stop)

    def _sounded(
        self, spoken: Sequence[Spoken], whose: Sequence[Worded], stop: Callable[[], bool]
    ) -> Iterator[Take]:
        noise = SeededNoise(self._model.s3gen, spoken, [line.line.seed for line in whose])
        made = sounds(
            self._model.s3gen,
            spoken,
            noise,
            steps=self._release.flow_steps,
            budget=self._working_bytes,
            stop=stop,
        )
        marking: deque[tuple[int, Future[Samples]]] = deque()
        for place, wave in made:
            samples = wave.float().cpu().numpy().astype(np.float32, copy=False)
            marking.append((whose[place].at, self._watermark.mark(samples)))
            while marking and (marking[0][1].done() or len(marking) > _AFTER_MARKS):
                at, future = marking.popleft()
                yield Take(at, future.result())
        while marking and not stop():
            at, future = marking.popleft()
            yield Take(at, future.result())

    def _asked(self, line: Worded) -> Asked:
        manner = line.line.manner
        guided = self._guided(line.line)
        return Asked(
            prompt=self._prompt(line, guided=guided),
            seed=line.line.seed,
            most_tokens=self._most(line),
            temperature=max(_COLDEST, manner.temperature),
            cfg_weight=manner.cfg_weight if guided else 0.0,
        )

    def _prompt(self, line: Worded, *, guided: bool) -> Prompt:
        voice = conditioning(self._model.t3, line.encoding, line.line.manner.exaggeration)
        if self._edition is Edition.TURBO:
            return gpt2_prompt(self._model.t3, voice, line.text)
        return llama_prompt(self._model.t3, voice, line.text, guided=guided)

    def _speech(self, said: Said, line: Worded) -> tuple[torch.Tensor, str]:
        """What S3Gen is given, and why nothing, if so."""
        if not said.ended:
            return torch.zeros(0), limits.runaway(self._most(line))
        speech = [token for token in said.tokens if token < SPEECH_TOKENS]
        if not speech:
            return torch.zeros(0), "The model said nothing: change the words or try another seed."
        if self._edition is Edition.TURBO:
            speech += [SILENCE_TOKEN] * TURBO_SILENCES
        return torch.tensor(speech, device=self.t3.device), ""

    def _guided(self, line: Line) -> bool:
        return self._release.guided and line.manner.cfg_weight > 0

    @staticmethod
    def _most(line: Worded) -> int:
        return limits.most_tokens(line.line.text, line.line.language)


def _release_memory(device: torch.device) -> None:
    """The cache has gone; S3Gen wants blocks of other sizes, under the same cap."""
    if device.type == "cuda":
        torch.cuda.empty_cache()

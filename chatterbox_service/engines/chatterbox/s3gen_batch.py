"""Speech tokens to sound: S3Gen in three stages, each over as many lines as its memory allows.

The encoder's memory grows with the square of a line's length, the others' linearly; so they are
grouped apart. Each line's noise comes from its own seed, so that its sound does not depend on whom
it was grouped with, as far as floating point allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch

from chatterbox_service.engines.chatterbox import plan
from chatterbox_service.engines.chatterbox.flow_batch import MEL_BANDS, Spoken, decoded, encoded
from chatterbox_service.engines.chatterbox.vocoder_batch import SourceNoise, sound, source_noise

SOURCE = 0x9E3779B9
"""Added to a line's seed for the second thing that it draws."""


_SEEDS = 1 << 63


class Noise(Protocol):
    """What each line draws, by its place."""

    def mel(self, at: int) -> torch.Tensor:
        """(80, positions)."""

    def source(self, at: int) -> SourceNoise:
        """For the vocoder."""


class SeededNoise:
    """From a line's seed alone; drawn where the model is, and other numbers on another device."""

    def __init__(self, s3gen: Any, lines: Sequence[Spoken], seeds: Sequence[int]) -> None:
        self._hift = s3gen.mel2wav
        self._lines = lines
        self._seeds = seeds

    def mel(self, at: int) -> torch.Tensor:
        line = self._lines[at]
        dice = self._dice(line, self._seeds[at])
        return torch.randn(MEL_BANDS, line.positions, generator=dice, device=line.tokens.device)

    def source(self, at: int) -> SourceNoise:
        line = self._lines[at]
        return source_noise(self._hift, line.frames, self._dice(line, self._seeds[at] + SOURCE))

    @staticmethod
    def _dice(line: Spoken, seed: int) -> torch.Generator:
        return torch.Generator(device=line.tokens.device).manual_seed(seed % _SEEDS)


def sounds(
    s3gen: Any,
    lines: Sequence[Spoken],
    noise: Noise,
    *,
    steps: int,
    budget: int,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Each line's place and its samples, (samples,), shortest lines first.

    budget: bytes of working memory. Ends early where `stop` says so.
    """
    positions = [line.positions for line in lines]
    for together in plan.groups(positions, plan.flow_bytes, budget):
        with torch.inference_mode():
            mels = _mels(s3gen.flow, lines, together, noise, steps, budget, stop)
        frames = [mel.shape[1] for mel in mels]
        for group in plan.groups(frames, plan.vocoder_bytes, budget):
            if stop():
                return
            with torch.inference_mode():
                sources = [noise.source(together[at]) for at in group]
                waves = sound(s3gen.mel2wav, [mels[at] for at in group], sources)
            for at, wave in zip(group, waves, strict=True):
                yield together[at], _faded_in(wave, s3gen.trim_fade)


def _mels(
    flow: Any,
    lines: Sequence[Spoken],
    together: Sequence[int],
    noise: Noise,
    steps: int,
    budget: int,
    stop: Callable[[], bool],
) -> list[torch.Tensor]:
    """Of the lines at `together`, in that order; none where `stop` says so."""
    mine = [lines[at] for at in together]
    guides: dict[int, torch.Tensor] = {}
    for group in plan.groups([line.positions for line in mine], plan.encoder_bytes, budget):
        if stop():
            return []
        states = encoded(flow, [mine[at] for at in group])
        guides.update(zip(group, states, strict=True))
    ordered = [guides[at] for at in range(len(mine))]
    return decoded(flow, mine, ordered, [noise.mel(at) for at in together], steps)


def _faded_in(wave: torch.Tensor, fade: torch.Tensor) -> torch.Tensor:
    """As upstream, against what spills over from the reference."""
    wave = wave.clone()
    begin = min(len(wave), len(fade))
    wave[:begin] *= fade[:begin]
    return wave

"""Upstream's own single-line path, with its dice, its noise and its logits in our hands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from chatterbox.models.t3 import t3 as upstream_t3
from chatterbox.models.t3.modules.cond_enc import T3Cond
from torch.distributions.uniform import Uniform
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

from chatterbox_service.engines.chatterbox import s3gen_batch
from chatterbox_service.engines.chatterbox.facts import FRAMES_PER_TOKEN
from chatterbox_service.engines.chatterbox.flow_batch import MEL_BANDS
from chatterbox_service.engines.chatterbox.sampling import drawn, draws
from chatterbox_service.engines.chatterbox.vocoder_batch import (
    SourceNoise,
    samples_per_frame,
    source_noise,
)


@dataclass
class Heard:
    """What upstream said, and its logits at each step, before the repetition penalty."""

    tokens: list[int] = field(default_factory=list)
    logits: list[Any] = field(default_factory=list)


def voice(seed: int, *, prompt: int = 150) -> T3Cond:
    dice = torch.Generator().manual_seed(seed)
    return T3Cond(
        speaker_emb=torch.randn(1, 256, generator=dice),
        cond_prompt_speech_tokens=torch.randint(0, 6561, (1, prompt), generator=dice),
        emotion_adv=0.5 * torch.ones(1, 1, 1),
    )


def text(seed: int, length: int) -> Any:
    dice = torch.Generator().manual_seed(seed)
    # 0 and 255 begin and end a text.
    return torch.randint(1, 255, (length,), generator=dice)


def said_by_llama(
    model: Any,
    cond: T3Cond,
    tokens: Any,
    *,
    seed: int,
    most: int,
    cfg_weight: float = 0.5,
    temperature: float = 0.8,
    penalty: float = 2.0,
    forced: Any = None,
) -> Heard:
    """As `generate` calls `T3.inference`; with guidance off the English class cannot be called."""
    heard = Heard()
    both = F.pad(F.pad(torch.stack((tokens, tokens)), (1, 0), value=255), (0, 1), value=0)
    with dice(heard, seed, most, forced):
        out = model.inference(
            t3_cond=cond,
            text_tokens=both,
            max_new_tokens=most,
            temperature=temperature,
            cfg_weight=cfg_weight,
            repetition_penalty=penalty,
            min_p=0.05,
            top_p=1.0,
        )
    heard.tokens = out[0].tolist()
    return heard


def said_by_turbo(
    model: Any, cond: T3Cond, tokens: Any, *, seed: int, most: int, forced: Any = None
) -> Heard:
    """Upstream takes one step more than it is told."""
    heard = Heard()
    with dice(heard, seed, most, forced):
        out = model.inference_turbo(
            t3_cond=cond, text_tokens=tokens[None], temperature=0.8, max_gen_len=most - 1
        )
    heard.tokens = out[0].tolist()
    return heard


@contextmanager
def dice(heard: Heard, seed: int, most: int, forced: Any = None) -> Iterator[None]:
    """Upstream draws its tokens with a line's own dice, or takes the forced ones."""
    uniform = draws([seed], most)[0]
    penalise = upstream_t3.RepetitionPenaltyLogitsProcessor.__call__
    multinomial = torch.multinomial
    step = 0

    def listening(self: Any, ids: Any, scores: Any) -> Any:
        heard.logits.append(scores[0].clone())
        return penalise(self, ids, scores)

    def drawing(likely: Any, num_samples: int) -> Any:  # torch's name for it
        nonlocal step
        token = drawn(likely, uniform[step : step + 1])[:, None]
        if forced is not None:
            token = forced[step].view(1, 1)
        step += 1
        return token

    upstream_t3.RepetitionPenaltyLogitsProcessor.__call__ = listening
    torch.multinomial = drawing
    try:
        yield
    finally:
        upstream_t3.RepetitionPenaltyLogitsProcessor.__call__ = penalise
        torch.multinomial = multinomial


@contextmanager
def noise(model: Any, seed: int) -> Iterator[None]:
    """Upstream's S3Gen draws what ours does for a line of this seed."""
    like, normal, sample = torch.randn_like, torch.randn, Uniform.sample
    hift = model.mel2wav
    made = hift.m_source.l_sin_gen

    def source(samples: int) -> SourceNoise:
        same = torch.Generator().manual_seed(seed + s3gen_batch.SOURCE)
        return source_noise(hift, samples // samples_per_frame(hift), same)

    def drawing_like(x: Any, **options: Any) -> Any:
        if x.ndim == 3 and x.shape[1] == MEL_BANDS:
            return normal(x.shape[1:], generator=torch.Generator().manual_seed(seed))[None]
        if x.ndim == 3 and x.shape[1] == made.harmonic_num + 1:
            return source(x.shape[2]).hiss[None]
        return like(x, **options)

    def sampling(self: Any, sample_shape: Any = ()) -> Any:
        return source(0).phases.view(sample_shape)

    def inference(flow: Any, **given: Any) -> Any:
        # Turbo draws its own frames' noise apart: they are to be the last of the same.
        total = FRAMES_PER_TOKEN * (given["token"].shape[1] + int(given["prompt_token_len"][0]))
        own = given.get("noised_mels")
        if own is not None:
            whole = drawing_like(torch.zeros(1, MEL_BANDS, total))
            given["noised_mels"] = whole[..., -own.shape[2] :]
        return infer(flow, **given)

    kind = type(model.flow)
    infer = kind.inference
    torch.randn_like, Uniform.sample, kind.inference = drawing_like, sampling, inference
    try:
        yield
    finally:
        torch.randn_like, Uniform.sample, kind.inference = like, sample, infer

"""Speech tokens to mel frames, for lines of different lengths at once.

Upstream's `inference` is for one line, though most of its parts take a mask. Padded on the right,
these are exact: the encoder's attention (masked keys, relative positions counted from the middle of
the table, whatever its length), its upsampling and all the decoder's convolutions (causal), the
decoder's attention (masked keys). One is not: the encoder's look-ahead of three tokens sees what
the input layer makes of padding, where a line alone sees nought; so padding is blanked before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

from chatterbox_service.engines.chatterbox.facts import FRAMES_PER_TOKEN
from chatterbox_service.engines.chatterbox.references import Timbre

MEL_BANDS = 80


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line whose speech tokens are known."""

    tokens: torch.Tensor
    """(tokens,), all of them speech."""
    timbre: Timbre

    @property
    def positions(self) -> int:
        """Mel frames that go through the model: the reference's and its own."""
        return FRAMES_PER_TOKEN * (len(self.timbre.tokens) + len(self.tokens))

    @property
    def frames(self) -> int:
        """Mel frames of its own."""
        return self.positions - len(self.timbre.frames)


def encoded(flow: Any, lines: Sequence[Spoken]) -> list[torch.Tensor]:
    """What the decoder is guided by, (positions, 80) each."""
    device = flow.input_embedding.weight.device
    both = [torch.cat((line.timbre.tokens, line.tokens)) for line in lines]
    lengths = torch.tensor([len(tokens) for tokens in both], device=device)
    tokens = torch.nn.utils.rnn.pad_sequence(both, batch_first=True)
    mask = _mask(lengths, tokens.shape[1])
    x = flow.input_embedding(tokens) * mask.unsqueeze(-1)
    x = _through(flow.encoder, x, lengths, mask)
    x = flow.encoder_proj(x)
    return [row[: line.positions] for row, line in zip(x, lines, strict=True)]


def decoded(
    flow: Any,
    lines: Sequence[Spoken],
    guides: Sequence[torch.Tensor],
    noises: Sequence[torch.Tensor],
    steps: int,
) -> list[torch.Tensor]:
    """Mel frames of each line's own, (80, frames). `noises`: (80, positions) each."""
    dtype, device = guides[0].dtype, guides[0].device
    lengths = torch.tensor([line.positions for line in lines], device=device)
    mask = _mask(lengths, int(lengths.max())).unsqueeze(1).to(dtype)
    mu = torch.nn.utils.rnn.pad_sequence(list(guides), batch_first=True).transpose(1, 2)
    x = torch.zeros_like(mu)
    known = torch.zeros_like(mu)
    for row, (line, noise) in enumerate(zip(lines, noises, strict=True)):
        x[row, :, : line.positions] = noise
        known[row, :, : len(line.timbre.frames)] = line.timbre.frames.T
    voices = torch.stack([line.timbre.embedding for line in lines])
    voices = flow.spk_embed_affine_layer(F.normalize(voices, dim=1))
    solver = flow.decoder
    times = torch.linspace(0, 1, steps + 1, device=device, dtype=dtype)
    if solver.estimator.meanflow:
        x = _straight(solver.estimator, x, times, mu, mask, voices, known)
    else:
        times = 1 - torch.cos(times * 0.5 * torch.pi)
        x = solver.solve_euler(
            x.contiguous(), t_span=times, mu=mu.contiguous(), mask=mask, spks=voices, cond=known
        )
    return [
        row[:, len(line.timbre.frames) : line.positions] for row, line in zip(x, lines, strict=True)
    ]


def _through(
    encoder: Any, x: torch.Tensor, lengths: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """`UpsampleConformerEncoder.forward`, part by part."""
    visible = mask.unsqueeze(1)
    x, places, _ = encoder.embed(x, visible)
    x = encoder.pre_lookahead_layer(x * mask.unsqueeze(-1))
    x = encoder.forward_layers(x, visible, places, visible)
    x, lengths = encoder.up_layer(x.transpose(1, 2).contiguous(), lengths)
    x = x.transpose(1, 2).contiguous()
    visible = _mask(lengths, x.shape[1]).unsqueeze(1)
    x, places, _ = encoder.up_embed(x, visible)
    x = encoder.forward_up_layers(x, visible, places, visible)
    return encoder.after_norm(x)


def _straight(
    estimator: Any,
    x: torch.Tensor,
    times: torch.Tensor,
    mu: torch.Tensor,
    mask: torch.Tensor,
    voices: torch.Tensor,
    known: torch.Tensor,
) -> torch.Tensor:
    """Turbo's distilled decoder: a few Euler steps, no guidance. Upstream prints as it goes."""
    for now, then in pairwise(times):
        slope = estimator.forward(
            x, mask=mask, mu=mu, t=now[None], spks=voices, cond=known, r=then[None]
        )
        x = x + (then - now) * slope
    return x


def _mask(lengths: torch.Tensor, most: int) -> torch.Tensor:
    """(lines, most): where there is something."""
    return torch.arange(most, device=lengths.device) < lengths[:, None]

"""The next token of each line, drawn with the line's own dice."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chatterbox_service.engines.chatterbox.facts import Sampling

_SEEDS = 1 << 63
_BELOW_ONE = 1.0 - 1e-6
"""A draw of exactly the whole sum would fall on the last token, whatever its chance."""


def draws(seeds: Sequence[int], most: int) -> torch.Tensor:
    """Uniform numbers, (lines, most): a row depends on its seed alone, on every device the same."""
    rows = []
    for seed in seeds:
        dice = torch.Generator().manual_seed(seed % _SEEDS)
        rows.append(torch.rand(most, generator=dice) * _BELOW_ONE)
    return torch.stack(rows)


def chances(
    logits: torch.Tensor, said: torch.Tensor, temperature: torch.Tensor, rules: Sampling
) -> torch.Tensor:
    """Of each token, (lines, vocabulary), in the release's own order of filters.

    `said` marks what each line has said already; `temperature` has one number a line.
    """
    if not rules.penalty_last:
        logits = _penalised(logits, said, rules.repetition_penalty)
    logits = logits / temperature[:, None]
    if rules.min_p > 0:
        likely = logits.softmax(-1)
        floor = rules.min_p * likely.amax(-1, keepdim=True)
        logits = logits.masked_fill(likely < floor, -torch.inf)
    if 0 < rules.top_k < logits.shape[-1]:
        least = logits.topk(rules.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if rules.top_p < 1:
        logits = _nucleus(logits, rules.top_p)
    if rules.penalty_last:
        logits = _penalised(logits, said, rules.repetition_penalty)
    return logits.softmax(-1)


def drawn(likely: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One token a line, (lines,): where the sum of chances first passes the uniform number.

    Upstream draws from the process's one generator, so that a line's sound would depend on who was
    spoken before it. The distribution is the same.
    """
    heaped = likely.cumsum(-1)
    wanted = uniform[:, None] * heaped[:, -1:]
    return torch.searchsorted(heaped, wanted, right=True)[:, 0].clamp(max=likely.shape[-1] - 1)


def _penalised(logits: torch.Tensor, said: torch.Tensor, penalty: float) -> torch.Tensor:
    smaller = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(said, smaller, logits)


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    rising, order = logits.sort(dim=-1)
    unlikely = rising.softmax(-1).cumsum(-1) <= 1 - top_p
    unlikely[:, -1] = False
    return logits.masked_fill(torch.zeros_like(unlikely).scatter(1, order, unlikely), -torch.inf)

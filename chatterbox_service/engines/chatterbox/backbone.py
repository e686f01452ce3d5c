"""T3's transformers, over a cache of ours: the release's own weights, one lean pass.

Upstream runs them through `transformers` with all attention weights returned, which forces slow
attention, and hangs hooks on the layers that it never takes off. Here the three heads that follow
the text are looked at on the side, and nothing is ever hung on a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

from chatterbox_service.engines.chatterbox.cache import KeyValueCache, Rows
from chatterbox_service.engines.chatterbox.facts import Shape

Watch = Callable[[int, torch.Tensor, torch.Tensor], None]
"""Is shown a layer's number, its last queries (rows, heads, head_dim) and its keys."""


class Backbone(Protocol):
    """A causal transformer without its embeddings."""

    shape: Shape

    def forward(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        cache: KeyValueCache,
        rows: Rows,
        column: int,
        mask: torch.Tensor,
        watch: Watch | None,
    ) -> torch.Tensor:
        """x: (rows, steps, width), positions: (rows, steps), mask: what a query may look at.

        Returns the last step's state, normalised: (rows, width).
        """


class Llama:
    """`LlamaModel`: rotary positions, gated feed-forward."""

    def __init__(self, model: Any, most_positions: int) -> None:
        config = model.config
        self.shape = Shape(
            config.num_hidden_layers, config.num_attention_heads, model.layers[0].self_attn.head_dim
        )
        if config.num_key_value_heads != config.num_attention_heads:
            raise ValueError("shared key-value heads are not what this code was written for")
        self._model = model
        weight = model.layers[0].self_attn.q_proj.weight
        places = torch.arange(most_positions, device=weight.device)
        # Made anew: casting a model casts its frequencies too, and with 16 bits the angles are off
        # by a third of a radian a few hundred positions on.
        rotary = type(model.rotary_emb)(config).to(weight.device)
        cos, sin = rotary(torch.zeros(1, device=weight.device), places[None])
        self._cos, self._sin = cos[0].to(weight.dtype), sin[0].to(weight.dtype)

    def rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of (rows, steps), to be spread over the heads."""
        return self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)

    def forward(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        cache: KeyValueCache,
        rows: Rows,
        column: int,
        mask: torch.Tensor,
        watch: Watch | None,
    ) -> torch.Tensor:
        cos, sin = self.rotation(positions)
        for number, layer in enumerate(self._model.layers):
            attention = layer.self_attn
            normal = _rms(layer.input_layernorm, x)
            q = _rotated(_heads(attention.q_proj(normal), self.shape), cos, sin)
            k = _rotated(_heads(attention.k_proj(normal), self.shape), cos, sin)
            v = _heads(attention.v_proj(normal), self.shape)
            keys, values = cache.write(number, rows, column, k, v)
            if watch is not None:
                watch(number, q[:, :, -1], keys)
            seen = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            x = x + attention.o_proj(_joined(seen))
            x = x + layer.mlp(_rms(layer.post_attention_layernorm, x))
        return _rms(self._model.norm, x[:, -1])


class Gpt2:
    """`GPT2Model`: learned positions, added to whatever embeddings it is given."""

    def __init__(self, model: Any) -> None:
        attention = model.h[0].attn
        self.shape = Shape(len(model.h), attention.num_heads, attention.head_dim)
        self._model = model

    def forward(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        cache: KeyValueCache,
        rows: Rows,
        column: int,
        mask: torch.Tensor,
        watch: Watch | None,
    ) -> torch.Tensor:
        x = x + self._model.wpe(positions)
        for number, layer in enumerate(self._model.h):
            three = layer.attn.c_attn(layer.ln_1(x)).chunk(3, dim=-1)
            q, k, v = (_heads(part, self.shape) for part in three)
            keys, values = cache.write(number, rows, column, k, v)
            if watch is not None:
                watch(number, q[:, :, -1], keys)
            seen = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            x = x + layer.attn.c_proj(_joined(seen))
            x = x + layer.mlp(layer.ln_2(x))
        return self._model.ln_f(x[:, -1])


def _rms(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)


def _heads(x: torch.Tensor, shape: Shape) -> torch.Tensor:
    rows, steps, _ = x.shape
    return x.view(rows, steps, shape.heads, shape.head_dim).transpose(1, 2)


def _joined(x: torch.Tensor) -> torch.Tensor:
    rows, heads, steps, width = x.shape
    return x.transpose(1, 2).reshape(rows, steps, heads * width)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin

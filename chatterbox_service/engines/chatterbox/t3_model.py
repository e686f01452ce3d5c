"""T3's weights as the batch uses them: never changed, and no `transformers` in between."""

from __future__ import annotations

from typing import Any

import torch

from chatterbox_service.engines.chatterbox.backbone import Backbone, Gpt2, Llama
from chatterbox_service.engines.chatterbox.facts import Sampling

_MOST_POSITIONS = 4096
"""Of the rotary table: 34 of the voice, 2,050 of the text and 1,000 of speech fit well."""


class T3Model:
    """Upstream's T3 of any edition, and how its edition samples."""

    def __init__(self, t3: Any, sampling: Sampling) -> None:
        self._t3 = t3
        self.rules = sampling
        self.stop_token = int(t3.hp.stop_speech_token)
        self.start_token = int(t3.hp.start_speech_token)
        self.aligned = bool(t3.hp.is_multilingual)
        """Whether three of its heads follow the text: known by the vocabulary's size."""
        self.backbone: Backbone = Gpt2(t3.tfmr) if t3.is_gpt else Llama(t3.tfmr, _MOST_POSITIONS)

    @property
    def dtype(self) -> torch.dtype:
        return self._t3.speech_head.weight.dtype

    @property
    def device(self) -> torch.device:
        return self._t3.speech_head.weight.device

    def next_embeddings(self, tokens: torch.Tensor, step: int) -> torch.Tensor:
        """Of what has just been said, (lines, width); `step`: tokens said by then."""
        said = self._t3.speech_emb(tokens)
        table = self._t3.speech_pos_emb
        return said if table is None else said + table.emb.weight[step]

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary), in 32 bits."""
        return self._t3.speech_head(states).float()

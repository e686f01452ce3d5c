"""What T3 is given before it speaks: the voice, the text, and its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line's, without any padding."""

    embeddings: torch.Tensor
    """(positions, width)."""
    unguided: torch.Tensor | None
    """The same with its text blanked, for classifier-free guidance; None where there is none."""
    text_at: int
    """The position of the text's first token."""
    text_length: int

    def __len__(self) -> int:
        return len(self.embeddings)


def llama_prompt(t3: Any, voice: torch.Tensor, text: torch.Tensor, *, guided: bool) -> Prompt:
    """voice: (positions, width); text: (tokens,), without its start and stop tokens.

    Positions are learned and counted from nought for text and for speech, so they are added here,
    before any padding. The start token comes twice, as upstream has it. Blanking keeps positions.
    """
    hp = t3.hp
    ends = text.new_tensor([hp.start_text_token]), text.new_tensor([hp.stop_text_token])
    tokens = torch.cat((ends[0], text, ends[1])).long()
    places = t3.text_pos_emb.emb.weight[: len(tokens)]
    start = t3.speech_emb.weight[hp.start_speech_token] + t3.speech_pos_emb.emb.weight[0]
    begin = start.expand(2, -1)
    voice = voice.to(begin.dtype)
    return Prompt(
        embeddings=torch.cat((voice, t3.text_emb(tokens) + places, begin)),
        unguided=torch.cat((voice, places, begin)) if guided else None,
        text_at=len(voice),
        text_length=len(tokens),
    )


def gpt2_prompt(t3: Any, voice: torch.Tensor, text: torch.Tensor) -> Prompt:
    """Turbo: no positions of its own, one start token, no guidance."""
    start = t3.speech_emb.weight[t3.hp.start_speech_token][None]
    voice = voice.to(start.dtype)
    return Prompt(
        embeddings=torch.cat((voice, t3.text_emb(text.long()), start)),
        unguided=None,
        text_at=len(voice),
        text_length=len(text),
    )


def most_text_tokens(t3: Any) -> int | None:
    """Text tokens there are positions for, start and stop not counted; None: no bound."""
    table = t3.text_pos_emb
    return None if table is None else int(table.emb.num_embeddings) - 2

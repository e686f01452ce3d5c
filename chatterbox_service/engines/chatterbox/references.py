"""What a reference becomes: once for T3, once for S3Gen."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Timbre:
    """For S3Gen: the voice that speech tokens are turned into sound with."""

    tokens: torch.Tensor
    """(tokens,), whole numbers: upstream turns them into floating point, which half precision
    could not hold."""
    frames: torch.Tensor
    """The reference's mel, (frames, 80)."""
    embedding: torch.Tensor
    """(192,)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One reference, encoded. Exaggeration is not in it: it only changes one position of T3's."""

    conditioning: torch.Tensor
    """(positions, width), without the emotion."""
    timbre: Timbre

    @property
    def size(self) -> int:
        """Bytes."""
        parts = self.conditioning, self.timbre.tokens, self.timbre.frames, self.timbre.embedding
        return sum(part.numel() * part.element_size() for part in parts)

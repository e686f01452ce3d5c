"""What the engine is made with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chatterbox_service.engines.chatterbox.facts import Edition

_GIBIBYTE = 1 << 30


class Device(StrEnum):
    """Where it computes. `cuda` is the first GPU that CUDA_VISIBLE_DEVICES leaves."""

    CUDA = "cuda"
    CPU = "cpu"


class Precision(StrEnum):
    """Of T3; S3Gen and what encodes references stay in 32 bits."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"

    @property
    def bytes(self) -> int:
        return 4 if self is Precision.FLOAT32 else 2


@dataclass(frozen=True, slots=True)
class Options:
    """Bytes are of GPU memory.

    Of the 8 GiB, T3 in 16 bits and S3Gen in 32 take 2, CUDA itself about half a GiB; the cache and
    S3Gen's working memory follow each other, and what is left is room for the model's own steps.
    """

    edition: Edition = Edition.MULTILINGUAL
    folder: Path | None = None
    """Where the weights lie; None: the model hub's own cache, offline."""
    device: Device = Device.CUDA
    precision: Precision = Precision.BFLOAT16
    """Not looked at without a GPU: there 32 bits are faster."""
    most_bytes: int = 8 * _GIBIBYTE
    """Torch refuses to take more. CUDA's own share comes on top, and is left out of it."""
    cache_bytes: int = 4 * _GIBIBYTE
    """Keys and values of a batch: `Engine.budget`."""
    working_bytes: int = 3 * _GIBIBYTE // 2
    """What S3Gen may have in hand."""
    most_together: int = 64
    watermark_threads: int = 4

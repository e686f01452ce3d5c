"""What the engine is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from chatterbox_service.engines.chatterbox.facts import Edition

_GIBIBYTE = 1 << 30


_MEBIBYTE = 1 << 20
_LEAST = 256 * _MEBIBYTE


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


_WEIGHTS = {
    Precision.FLOAT32: 3_100 * _MEBIBYTE,
    Precision.BFLOAT16: 2_100 * _MEBIBYTE,
    Precision.FLOAT16: 2_100 * _MEBIBYTE,
}
"""536 million numbers of T3, and 264 million of S3Gen in 32 bits, rounded up. [counted]"""


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

    def within(self, most_bytes: int) -> Options:
        """The same, with a GPU's share divided up anew: the weights first, then 70 % for the cache.

        Below 4 GiB there is not enough for both: that is not refused here, and torch then says
        what it lacks.
        """
        free = max(0, most_bytes - _WEIGHTS[self.precision])
        return replace(
            self,
            most_bytes=most_bytes,
            cache_bytes=max(_LEAST, free * 70 // 100),
            working_bytes=max(_LEAST, free * 26 // 100),
        )

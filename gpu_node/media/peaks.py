"""Waveforms for drawing: the lowest and highest sample of every bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from gpu_node.contracts.media import Peaks

_BLOCK_BUCKETS = 1000


def peaks(path: Path, buckets_per_second: int = 50) -> Peaks:
    """Read a WAV file once and reduce it; channels are averaged. Seconds become buckets."""
    found: list[int] = []
    with soundfile.SoundFile(path) as file:
        size = max(1, file.samplerate // buckets_per_second)
        rate = file.samplerate
        while len(block := file.read(size * _BLOCK_BUCKETS, dtype="float32", always_2d=True)):
            mono = block.mean(axis=1)
            padded = np.pad(mono, (0, -len(mono) % size), mode="edge").reshape(-1, size)
            extremes = np.stack([padded.min(axis=1), padded.max(axis=1)], axis=1)
            found += np.clip(np.round(extremes * 127), -128, 127).astype(int).ravel().tolist()
    return Peaks(
        sample_rate=rate, samples_per_pixel=size, length=len(found) // 2, data=tuple(found)
    )

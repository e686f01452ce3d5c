"""WAV files in blocks, through libsndfile: an hour of sound never has to be in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from gpu_node.contracts.errors import disk_full

SAMPLE_RATE = 48_000
Samples = NDArray[np.float32]
"""Shape (frames, channels), full scale at ±1."""

BLOCK_SECONDS = 1.0
_NEARLY_NOTHING = 1 << 20


@contextmanager
def writer(
    path: Path, *, channels: int, subtype: str, rate: int = SAMPLE_RATE, form: str = "RF64"
) -> Iterator[Any]:
    """Open a WAV file for writing; RF64 lets it grow past 4 GiB. Raises DISK_FULL.

    Integer subtypes only: libsndfile writes the time of day into the header of float files, and
    the same sound would then never have the same digest.
    """
    # libsndfile says only "system error" when a write fails; the disk itself says why.
    try:
        with soundfile.SoundFile(
            path, "w", samplerate=rate, channels=channels, subtype=subtype, format=form
        ) as file:
            yield file
    except (soundfile.SoundFileError, AssertionError) as error:
        if shutil.disk_usage(path.parent).free < _NEARLY_NOTHING:
            raise disk_full(str(error)) from error
        raise


def write(path: Path, samples: Samples, *, rate: int = SAMPLE_RATE) -> None:
    """A short mono or stereo file of 16-bit samples. Raises DISK_FULL."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with writer(path, channels=channels, subtype="PCM_16", rate=rate, form="WAV") as file:
        file.write(samples)


def blocks(path: Path, *, seconds: float = BLOCK_SECONDS) -> Iterator[Samples]:
    """The whole file, block after block."""
    with soundfile.SoundFile(path) as file:
        size = round(seconds * file.samplerate)
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            yield block


def span(path: Path, start: float, end: float) -> Samples:
    """The samples between two moments; fewer when the file ends before."""
    with soundfile.SoundFile(path) as file:
        first = min(file.frames, max(0, round(start * file.samplerate)))
        last = min(file.frames, max(first, round(end * file.samplerate)))
        file.seek(first)
        samples: Samples = file.read(last - first, dtype="float32", always_2d=True)
        return samples

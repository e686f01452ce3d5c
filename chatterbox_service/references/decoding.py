"""A stranger's recording as mono samples, block by block: its header is never believed.

libsndfile is given nothing but WAV, FLAC, OGG and MP3, and no name: it would go by its ending.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from chatterbox_service.ports import Samples
from chatterbox_service.problems import Code, Problem
from chatterbox_service.sound.measures import clipping

SAMPLE_RATE = 24_000
"""Hz; what the engines are given."""

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
MOST_CHANNELS = 32
_MOST_SAMPLES_PER_SECOND = MOST_CHANNELS * 48_000
"""Over all channels: 8 at 192 kHz are still possible. A few kilobytes of Vorbis can hold 255
channels of silence, which would take a minute to decode."""

_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"})
_BLOCK = 1 << 18
"""Samples over all channels that are in memory at a time: 1 MiB."""
_LOUDEST = 2.0**31
"""Float files hold what they like; some hold integers, and sums of more than these overflow."""

_UNKNOWN = "The reference is no recording that can be read: send WAV, FLAC, OGG or MP3."
_DAMAGED = "The reference is damaged or incomplete: send the whole file again."
_EMPTY = "The reference is empty: send a recording of clean speech."

Block = NDArray[np.float32]
"""Shape (frames, channels)."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was really in a file."""

    samples: Samples
    """Mono, 24 kHz, within ±1."""
    seconds: float
    """Of what was decoded."""
    goes_on: bool
    """Whether there was more than was wanted."""
    sample_rate: int
    """The file's own."""
    clipping: float
    """As `sound.measures` has it, before channels were mixed: mixing and resampling hide it."""


def decode(path: Path, most_seconds: float) -> Recording:
    """At most `most_seconds` of it and one block more. Raises Problem REFERENCE_INVALID."""
    # A buffer would read ahead, and libsndfile would begin there.
    with path.open("rb", buffering=0) as raw, _opened(raw) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        _refuse_extremes(rate, channels)
        most_frames = round(most_seconds * rate)
        resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1)
        frames, clipped, mono = 0, 0.0, []
        for block in _blocks(file, min(rate, _BLOCK // channels)):
            frames += len(block)
            clipped += clipping(block.T.ravel()) * len(block)
            mixed = block.mean(axis=1, dtype=np.float32)
            mono.append(mixed if resampler is None else resampler.resample_chunk(mixed))
            if frames > most_frames:
                break
    if not frames:
        raise _invalid(_EMPTY)
    if resampler is not None:
        mono.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return Recording(
        samples=_within_full_scale(np.concatenate(mono)),
        seconds=frames / rate,
        goes_on=frames > most_frames,
        sample_rate=rate,
        clipping=clipped / frames,
    )


@contextmanager
def _opened(raw: FileIO) -> Iterator[Any]:
    head = raw.read(12)
    if not head:
        raise _invalid(_EMPTY)
    if not _looks_like_sound(head):
        raise _invalid(_UNKNOWN)
    raw.seek(0)
    try:
        file = soundfile.SoundFile(raw.fileno(), closefd=False)
    except (soundfile.SoundFileError, AssertionError):
        raise _invalid(_UNKNOWN) from None
    with file:
        # A tag of MP3's may stand before any format.
        if file.format not in _FORMATS:
            raise _invalid(_UNKNOWN)
        # Otherwise it goes by the length in the header, and seeks after each block: FLAC that was
        # written into a pipe has no length, and does not survive that.
        file.seekable = lambda: False
        yield file


def _looks_like_sound(head: bytes) -> bool:
    riff = head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"
    # MPEG audio begins with eleven bits that are set.
    mpeg = head[:3] == b"ID3" or (head[0] == 0xFF and len(head) > 1 and head[1] & 0xE0 == 0xE0)
    return riff or mpeg or head[:4] in (b"fLaC", b"OggS")


def _blocks(file: Any, frames: int) -> Iterator[Block]:
    while True:
        try:
            block: Block = file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, AssertionError):
            raise _invalid(_DAMAGED) from None
        if not len(block):
            return
        # NaN compares false.
        if not bool((np.abs(block) <= _LOUDEST).all()):
            raise _invalid(
                "The reference holds samples that are not numbers: export it again as 16-bit WAV."
            )
        yield block


def _refuse_extremes(rate: int, channels: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise _invalid(
            f"The reference has {rate} samples per second: "
            f"send one with {LOWEST_RATE} to {HIGHEST_RATE}."
        )
    if channels > MOST_CHANNELS or channels * rate > _MOST_SAMPLES_PER_SECOND:
        raise _invalid(f"The reference has {channels} channels at {rate} Hz: send mono or stereo.")


def _within_full_scale(samples: Samples) -> Samples:
    peak = float(np.abs(samples).max(initial=0.0))
    return samples if peak <= 1.0 else samples / np.float32(peak)


def _invalid(sentence: str) -> Problem:
    return Problem(Code.REFERENCE_INVALID, sentence)

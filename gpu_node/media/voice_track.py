"""The voice track: all lines on one mono track, in one pass that never holds more than one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from gpu_node.media import wav

# The clips are 16-bit and so is the track: going through floats would take twice as long.
_Samples = NDArray[np.int16]

_FADE_SECONDS = 0.005
"""Long enough that an edge does not click, short enough to spare the first consonant."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A mono file and where its first sample goes, in seconds; a little before 0 is cut off."""

    path: Path
    start: float


def assemble(clips: Iterable[Clip], target: Path, duration: float) -> None:
    """Write a track of `duration` seconds holding the clips, which come in order of time.

    Raises ValueError if two overlap, one ends after the track, or a file is not 48 kHz mono of
    16 bits: all three would be a mistake of ours, and must never be cut away silently.
    """
    total = round(duration * wav.SAMPLE_RATE)
    silence = np.zeros(wav.SAMPLE_RATE, dtype=np.int16)
    with wav.writer(target, channels=1, subtype="PCM_16") as track:
        position = 0
        for clip in clips:
            first = round(clip.start * wav.SAMPLE_RATE)
            samples = _faded(_read(clip.path))[max(0, -first) :]
            first = max(0, first)
            if first < position:
                raise ValueError(f"{clip.path.name} begins before the line before it has ended")
            if first + len(samples) > total:
                raise ValueError(f"{clip.path.name} ends after the track does")
            _write_silence(track, silence, first - position)
            track.write(samples)
            position = first + len(samples)
        _write_silence(track, silence, total - position)


def _read(path: Path) -> _Samples:
    with soundfile.SoundFile(path) as file:
        if (file.samplerate, file.channels, file.subtype) != (wav.SAMPLE_RATE, 1, "PCM_16"):
            raise ValueError(f"{path.name} is not 48 kHz mono of 16 bits")
        samples: _Samples = file.read(dtype="int16")
        return samples


def _faded(samples: _Samples) -> _Samples:
    count = min(len(samples) // 2, round(_FADE_SECONDS * wav.SAMPLE_RATE))
    if count:
        ramp = np.linspace(0, 1, count, endpoint=False)
        samples[:count] = np.rint(samples[:count] * ramp)
        samples[-count:] = np.rint(samples[-count:] * ramp[::-1])
    return samples


def _write_silence(track: soundfile.SoundFile, silence: _Samples, count: int) -> None:
    while count > 0:
        track.write(silence[: min(count, len(silence))])
        count -= len(silence)

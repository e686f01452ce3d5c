"""Recordings made for a test: real speech, and what people and programs send instead of it."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from chatterbox_service.ports import Samples
from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import MOST_BYTES, Limits, Reference, check, key_of

RATE = 24_000
LIMITS = Limits()

_TEXT = (
    "Every lesson of this course has a summary at its end. Read it once more before you go on. "
    "What you have understood today will help you tomorrow, and what you have not, we repeat. "
    "Then there are exercises; nobody looks at them but you, so take all the time you need."
)


@cache
def speech(rate: int = RATE) -> Samples:
    """About fifteen seconds of a voice. Not to be written to: it is made once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(
            ["espeak-ng", "-w", str(path), _TEXT],
            check=True,
            capture_output=True,
            timeout=30,
            # Its sound library otherwise leaves folders behind.
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "PULSE_RUNTIME_PATH": "/dev/null"},
        )
        samples, its_rate = soundfile.read(path, dtype="float32")
    said: Samples = soxr.resample(samples, its_rate, rate)
    said.flags.writeable = False
    return said


def spoken(seconds: float, rate: int = RATE) -> Samples:
    """Speech of exactly that length, again from its beginning where it is too short."""
    return np.resize(speech(rate), round(seconds * rate))


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), np.float32)


def save(
    path: Path,
    samples: NDArray[Any],
    rate: int = RATE,
    *,
    form: str = "WAV",
    subtype: str | None = None,
) -> Path:
    soundfile.write(path, samples, rate, format=form, subtype=subtype)
    return path


def many_channels(samples: Samples, channels: int) -> Samples:
    """The same in each of them."""
    return np.repeat(samples[:, np.newaxis], channels, axis=1)


def long_flac(path: Path, seconds: float, rate: int = 8_000) -> Path:
    """Silence, without the memory or the disk that so much sound takes."""
    minute = np.zeros(rate * 60, np.int16)
    with soundfile.SoundFile(
        path, "w", samplerate=rate, channels=1, format="FLAC", subtype="PCM_16"
    ) as file:
        for _ in range(round(seconds / 60)):
            file.write(minute)
    return path


def with_wav_sizes(path: Path, size: int) -> Path:
    """A WAV file with the usual header of 44 bytes, whose chunks say that they are that large."""
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[4:8] = content[40:44] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def with_flac_frames(path: Path, frames: int) -> Path:
    """A FLAC file whose header says that it has that many: 36 bits, the last of them at 26."""
    content = bytearray(path.read_bytes())
    content[21] = (content[21] & 0xF0) | (frames >> 32)
    content[22:26] = struct.pack(">I", frames & 0xFFFFFFFF)
    path.write_bytes(content)
    return path


def first_half(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def held(folder: Path) -> set[str]:
    """Everything in a folder, by name."""
    return {path.name for path in folder.iterdir()}


def refused(path: Path, limits: Limits = LIMITS) -> str:
    """What is said of a recording that will not do."""
    with pytest.raises(Problem) as raised:
        check(path, limits)
    assert raised.value.code is Code.REFERENCE_INVALID
    sentence = raised.value.sentence
    assert sentence.endswith(".")
    assert str(path) not in sentence
    # Nothing of what lies beneath is told either.
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return sentence


def whole(n: int) -> Reference:
    """As large as any can be; another for another number."""
    return reference_of(bytes([n]) * MOST_BYTES)


def reference_of(wav: bytes) -> Reference:
    """Whatever is in it: where there is room, only sizes matter."""
    return Reference(key_of(wav), 5.0, 5.0, 0.0, RATE, wav)

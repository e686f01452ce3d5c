"""Sound and film made for a test, and read back as a player would."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from gpu_node.artefacts import Store
from gpu_node.demo import music
from gpu_node.graph import StageContext

RATE = 48_000
Sound = NDArray[np.float64]
"""Samples with full scale at ±1: one column for mono, two for stereo."""

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10")


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg, quietly, over whatever was there."""
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def picture(seconds: float = 2.0, rate: str = "25") -> tuple[str, ...]:
    """The arguments of an input that is a moving picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={rate}:duration={seconds}")


def hum(seconds: float = 2.0) -> tuple[str, ...]:
    """The arguments of an input that is a tone."""
    return ("-f", "lavfi", "-i", f"sine=220:duration={seconds}:sample_rate=48000")


def tone(
    hertz: float, seconds: float, *, dbfs: float = -6.0, phase: float = 0.0, rate: int = RATE
) -> Sound:
    """A sine, mono; `dbfs` is its peak."""
    clock = np.arange(round(seconds * rate)) / rate
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * clock + phase)


def stereo(mono: Sound) -> Sound:
    return np.stack([mono, mono], axis=1)


@cache
def _room() -> Sound:
    tone: Sound = music.room_tone(40.0, -62.0).mean(axis=1)
    return tone


@cache
def theme() -> Sound:
    """Ten seconds of music, mono. Not to be written to: it is made once."""
    mono: Sound = music.theme().mean(axis=1)
    mono.flags.writeable = False
    return mono


def in_a_room(mono: Sound, gain: float = 1.0) -> Sound:
    """The same in a room at 62 dB under full scale (times `gain`): recordings are never silent."""
    heard: Sound = mono + gain * _room()[: len(mono)]
    return heard


def save(path: Path, sound: NDArray[Any], *, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, sound, rate, subtype=subtype)
    return path


def decoded(path: Path) -> Sound:
    """The first sound track at 48 kHz, always with channels, as a player hears it."""
    heard = path.with_name(path.name + ".decoded.wav")
    ffmpeg("-i", path, "-map", "0:a:0", "-c:a", "pcm_f32le", "-ar", str(RATE), heard)
    samples: Sound = soundfile.read(heard, dtype="float64", always_2d=True)[0]
    return samples


def for_recogniser(sound: Sound, rate: int = RATE) -> NDArray[np.int16]:
    """What a recogniser is given: 16 kHz mono of 16 bits."""
    mono = sound.mean(axis=1) if sound.ndim == 2 else sound
    resampled = soxr.resample(mono, rate, 16_000)
    samples: NDArray[np.int16] = np.round(np.clip(resampled, -1, 1) * 32767).astype(np.int16)
    return samples


@contextmanager
def stage_context(folder: Path) -> Iterator[StageContext]:
    """What a stage is given, with a store in `folder`."""
    store = Store(folder / "store")
    with store.exclusive(), store.scratch() as scratch:
        yield StageContext(
            store=store, folder=scratch, stop=threading.Event(), progress=lambda _: None
        )

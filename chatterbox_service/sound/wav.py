"""WAV in memory: one channel, 16-bit PCM."""

from __future__ import annotations

import struct

import numpy as np

from chatterbox_service.ports import Samples

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF chunk, "fmt " chunk of plain PCM, head of the "data" chunk: 44 bytes."""
_PCM = 1
_BYTES = 2
_FULL = 32767


def encode(samples: Samples, rate: int) -> bytes:
    """The file, header and all. What is beyond full scale is cut off at it; what is no number is 0.

    The same samples always give the same bytes. `rate` in Hz.
    """
    sane = np.nan_to_num(np.asarray(samples, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    data = np.rint(np.clip(sane, -1.0, 1.0) * _FULL).astype("<i2").tobytes()
    header = _HEADER.pack(
        b"RIFF",
        _HEADER.size - 8 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        1,
        rate,
        rate * _BYTES,
        _BYTES,
        8 * _BYTES,
        b"data",
        len(data),
    )
    return header + data


def decode(data: bytes) -> tuple[Samples, int]:
    """Samples and rate of what `encode` wrote. Raises ValueError for any other file."""
    if len(data) < _HEADER.size:
        raise ValueError("too short for a WAV file")
    riff, size, wave, form, _, kind, channels, rate, _, _, bits, chunk, length = (
        _HEADER.unpack_from(data)
    )
    ours = (riff, wave, form, chunk) == (b"RIFF", b"WAVE", b"fmt ", b"data")
    whole = size == len(data) - 8 and length == len(data) - _HEADER.size
    if not (ours and whole and (kind, channels, bits) == (_PCM, 1, 16)):
        raise ValueError("not a WAV file of one channel and 16 bits")
    pcm = np.frombuffer(data, dtype="<i2", offset=_HEADER.size)
    return (pcm / np.float32(_FULL)).astype(np.float32), rate

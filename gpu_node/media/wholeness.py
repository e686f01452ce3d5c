"""Whether a file is all there, as far as its own outermost structure says.

FFmpeg reads a file that was cut off by a few bytes without a word. The boxes of MP4 and the header
of RIFF (AVI, WAV) say how long the file has to be, and reading them costs a few bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SIZE_IN_NEXT_8 = 1
_TO_THE_END = 0


def is_cut_off(path: Path, container: str) -> bool:
    """`container` is FFmpeg's name of the format; of others than MP4 and RIFF nothing is known."""
    names = container.split(",")
    size = path.stat().st_size
    with path.open("rb") as file:
        if "mov" in names:
            return _boxes_overrun(file, size)
        if "avi" in names or "wav" in names:
            return _riff_overruns(file, size)
    return False


def _boxes_overrun(file: BinaryIO, size: int) -> bool:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        (length,) = struct.unpack(">I4x", file.read(8))
        if length == _SIZE_IN_NEXT_8:
            extended = file.read(8)
            length = struct.unpack(">Q", extended)[0] if len(extended) == 8 else size + 1
        if length == _TO_THE_END:
            return False
        if length < 8:
            # Not a box: padding that some cameras leave behind the last one.
            return False
        at += length
    return at > size


def _riff_overruns(file: BinaryIO, size: int) -> bool:
    header = file.read(8)
    if len(header) < 8 or header[:4] != b"RIFF":
        return False
    (length,) = struct.unpack("<I", header[4:])
    # Recorders that were never told how long it would be leave 0 or all ones.
    return length not in (0, 0xFFFFFFFF) and length + 8 > size

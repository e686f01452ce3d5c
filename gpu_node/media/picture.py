"""Proof that the picture was copied, not touched: a fingerprint of its packets and their times."""

from __future__ import annotations

import hashlib
import threading
from fractions import Fraction
from pathlib import Path

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.media import PictureFingerprint
from gpu_node.media import ffmpeg

# MPEG-TS and AVI put a start code before each piece of an H.264 picture, MP4 puts its length there.
# Passing all pieces through this filter writes both in one way, and changes nothing in the pieces.
_ONE_FRAMING = {"h264": "filter_units=pass_types=0-31", "hevc": "filter_units=pass_types=0-63"}
_NO_TIME = -(2**63)


def fingerprint(
    path: Path,
    *,
    codec: str,
    timeout: float,
    on_progress: ffmpeg.ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> PictureFingerprint:
    """Read every packet of the picture once, decoding none. `codec` is what FFmpeg calls its.

    Raises DubfleetError(INPUT_DAMAGED) when the file ends before its own index says it does: this
    is the one pass that reads the whole file before any work is done on it. Raises
    DubfleetError(PICTURE_NOT_IN_MP4) when the file does not say when each frame is shown.
    """
    reader = _FrameHashReader(on_progress)
    framing = _ONE_FRAMING.get(codec)
    options = {"bsf:v": framing} if framing else {}
    source = ffmpeg.open_input(path)
    # "V" is a picture that is not cover art.
    graph = source["V:0"].output("pipe:1", c="copy", format="framehash", hash="sha256", **options)
    said = ffmpeg.run_ffmpeg(
        ffmpeg.compile_graph(graph), timeout=timeout, stop=stop, on_stdout=reader.feed
    )
    if ffmpeg.says_damaged(said):
        raise DubfleetError(
            Reason.INPUT_DAMAGED,
            "The lesson's file is cut off before its end: upload or copy it again.",
            detail=said,
        )
    return reader.result()


class _FrameHashReader:
    """Reads FFmpeg's framehash lines: `stream, dts, pts, duration, size, hash`."""

    def __init__(self, on_progress: ffmpeg.ProgressCallback | None) -> None:
        self._on_progress = on_progress
        self._rest = b""
        self._time_base = Fraction(1)
        self._first: int | None = None
        self._count = 0
        self._packets = hashlib.sha256()
        self._times = hashlib.sha256()

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def result(self) -> PictureFingerprint:
        return PictureFingerprint(
            packets=self._packets.hexdigest(), timestamps=self._times.hexdigest(), count=self._count
        )

    def _line(self, line: bytes) -> None:
        if line.startswith(b"#tb 0:"):
            self._time_base = Fraction(line.split(b":", 1)[1].strip().decode())
        if line.startswith(b"#") or not line.strip():
            return
        fields = [field.strip() for field in line.split(b",")]
        pts = int(fields[2])
        if pts == _NO_TIME:
            raise DubfleetError(
                Reason.PICTURE_NOT_IN_MP4,
                "The lesson's file does not say when each frame is shown, as old AVI files do not: "
                "convert it to MP4 first.",
            )
        if self._first is None:
            self._first = pts
        self._count += 1
        self._packets.update(fields[5] + b"\n")
        self._times.update(b"%d\n" % self._microseconds(pts))
        if self._on_progress is not None and self._count % 100 == 0:
            self._on_progress(self._microseconds(pts) / 1_000_000)

    def _microseconds(self, ticks: int) -> int:
        return round((ticks - (self._first or 0)) * self._time_base * 1_000_000)

"""What a finished file is, measured with FFmpeg and numbers only: none of the program's code."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.gpu_node.e2e.subtitles import Line

Sound = NDArray[np.float64]
RATE = 16_000
_FRAME = RATE // 200
"""Levels are taken every 5 ms."""
_QUIET_BEFORE = 0.11
_TIMEOUT = 60


class Packet(NamedTuple):
    """Times in seconds since the first packet's presentation."""

    digest: str
    decoded: float
    shown: float


def run(*argv: str | Path) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-800:]
    return done


def probe(path: Path) -> dict[str, Any]:
    return _probe(path, path.stat().st_mtime_ns)


@functools.cache
def _probe(path: Path, _: int) -> dict[str, Any]:
    said = run("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def streams(path: Path, kind: str) -> list[dict[str, Any]]:
    return [one for one in probe(path)["streams"] if one["codec_type"] == kind]


def moving_picture(path: Path) -> dict[str, Any]:
    """The stream that is no cover art."""
    found = streams(path, "video")
    (moving,) = [one for one in found if not one["disposition"]["attached_pic"]]
    return moving


def duration(path: Path) -> float:
    return float(probe(path)["format"]["duration"])


def packets(path: Path, stream: str, bitstream: str = "") -> list[Packet]:
    """Every packet as it is stored. `bitstream` is a filter that gives all containers one form."""
    shape = (f"-bsf:{stream[0].lower()}", bitstream) if bitstream else ()
    said = run(
        *("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{stream}", "-c", "copy", *shape),
        *("-f", "framehash", "-hash", "sha256", "-"),
    ).stdout.decode()
    tick = Fraction(re.findall(r"(?m)^#tb 0: (\S+)", said)[0])
    rows = [[cell.strip() for cell in row.split(",")] for row in re.findall(r"(?m)^\d.*", said)]
    first = int(rows[0][2])
    return [
        Packet(row[5], float((int(row[1]) - first) * tick), float((int(row[2]) - first) * tick))
        for row in rows
    ]


def shown_frames(path: Path) -> list[float]:
    """When each picture is shown, in seconds after the file's start, edit lists applied."""
    said = run(
        *("ffprobe", "-v", "error", "-select_streams", "V:0"),
        *("-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0", path),
    ).stdout.decode()
    start = float(probe(path)["format"]["start_time"])
    return sorted(float(row.strip(",")) - start for row in said.split())


def sound(path: Path, track: int = 0) -> Sound:
    """A track as a player would play it, from the file's start: mono, 16 kHz."""
    return _sound(path, track, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _sound(path: Path, track: int, _: int) -> Sound:
    said = run(
        *("ffmpeg", "-v", "error", "-i", path, "-map", f"0:a:{track}"),
        *("-af", "aresample=async=1:first_pts=0,pan=mono|c0=c0+c1+c2", "-ar", str(RATE)),
        *("-f", "f64le", "-"),
    ).stdout
    return np.frombuffer(said, dtype=np.float64)


def beep_onsets(track: Sound, around: Sequence[float]) -> list[float]:
    """When the 1 kHz beeps nearest to these moments begin."""
    turned = track * np.exp(-2j * np.pi * 1000 * np.arange(len(track)) / RATE)
    level = np.abs(np.convolve(turned, np.ones(_FRAME) / _FRAME, "same"))
    found = []
    for moment in around:
        first = max(0, round((moment - 0.25) * RATE))
        window = level[first : round((moment + 0.25) * RATE)]
        found.append((first + int(np.argmax(window > window.max() / 2))) / RATE)
    return found


def voice_levels(track: Sound) -> NDArray[np.float64]:
    """The level above 500 Hz every 5 ms, in dB: where the lessons' hum is not heard."""
    spectrum = np.fft.rfft(track)
    spectrum[: round(500 * len(track) / RATE)] = 0
    high = np.fft.irfft(spectrum, len(track))
    whole = high[: len(high) // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels: NDArray[np.float64] = 10 * np.log10((whole**2).mean(axis=1) + 1e-12)
    return levels


def onsets(track: Sound, lines: Sequence[Line]) -> list[float]:
    """For each line, when a voice sets in; just before the line there has to be quiet."""
    levels, step = voice_levels(track), _FRAME / RATE
    found = []
    for line in lines:
        first = max(0, round((line.start - _QUIET_BEFORE) / step))
        window = levels[first : round(line.end / step)]
        threshold = np.percentile(window, 95) - 20
        assert levels[first] < threshold, f"no quiet before {line}"
        found.append((first + int(np.argmax(window > threshold))) * step)
    return found


def loudness(path: Path, track: int = 0) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP."""
    said = run(
        *("ffmpeg", "-hide_banner", "-nostats", "-i", path, "-map", f"0:a:{track}"),
        *("-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"),
    ).stderr.decode("utf-8", "replace")
    summary = said.rpartition("Summary:")[2]
    integrated = re.findall(r"I:\s+(\S+) LUFS", summary)[0]
    return float(integrated), float(re.findall(r"Peak:\s+(\S+) dBFS", summary)[0])


def shown_lines(path: Path, track: int = 0) -> list[Line]:
    """A soft subtitle track as a player reads it."""
    text = run("ffmpeg", "-v", "error", "-i", path, "-map", f"0:s:{track}", "-f", "srt", "-").stdout
    return cues(text.decode().replace("\r\n", "\n"))


def cues(text: str) -> list[Line]:
    """The cues of a SubRip or WebVTT text that is known to be well formed."""
    stamp = r"((?:\d+:)?\d+:\d+[.,]\d{3})"
    found = re.findall(rf"(?ms)^{stamp} --> {stamp}[^\n]*\n(.*?)(?:\n\n|\n*\Z)", text)
    return [Line(_seconds(start), _seconds(end), said) for start, end, said in found]


def _seconds(stamp: str) -> float:
    total = 0.0
    for part in stamp.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)

"""The one way FFmpeg is run: graphs come from ffmpeg-python, the process is ours.

ffmpeg-python builds argument lists and escapes filters well, but its own runner has no timeout, no
progress and does not drain stderr, so only its `compile` is used.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason, disk_full

ProgressCallback = Callable[[float], None]
"""Called with the seconds of output written so far."""

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,"
    "wav,w64,mp3,aac,flac,ac3,eac3"
)
"""Demuxers a lesson may need. Playlists (HLS, DASH, concat, SDP) are left out: an uploaded "video"
must never make us open another file or an address."""

INPUT_OPTIONS: Mapping[str, str] = {
    "protocol_whitelist": "file",
    "format_whitelist": CONTAINERS,
}

# FFmpeg also prints what a file is called and what its tags say, so its words count only as whole
# messages, on lines that say of themselves that they are errors (`-loglevel level+…`).
_MESSAGE = re.compile(r"^(?:\[[^\]\n]*\] )*\[(error|fatal|warning)\] (.*)$", re.MULTILINE)
_DAMAGED = re.compile(
    r"stream \d+, offset 0x[0-9a-f]+: partial file"
    r"|File ended prematurely\b.*"
    r"|moov atom not found"
    r"|Truncating packet of size .*"
)
_PREFIX = re.compile(r"^(?:\[[^\]]*\] )+")
_FULL = re.compile(r".*(No space left on device|Disk quota exceeded)")


# ffmpeg-python hashes its graphs as UTF-8, which a name that is not UTF-8 breaks. Inside a graph,
# bytes that Python keeps as lone surrogates stand at the end of the last private plane instead.
_TO_GRAPH = {0xDC00 + byte: 0x10FF00 + byte for byte in range(0x80, 0x100)}
_FROM_GRAPH = {private: surrogate for surrogate, private in _TO_GRAPH.items()}


def file_argument(path: Path) -> str:
    """A path that FFmpeg can take for nothing else (a leading dash, a colon, a percent sign)."""
    return f"file:{path.absolute()}"


def file_url(path: Path) -> str:
    """The same for use in a graph, which `compile_graph` turns into arguments."""
    return file_argument(path).translate(_TO_GRAPH)


def open_input(path: Path, **options: str | float) -> Any:
    """A graph's input with the whitelists on. The value is ffmpeg-python's, which has no types."""
    return ffmpeg.input(file_url(path), **INPUT_OPTIONS, **options)


def compile_graph(*outputs: Any) -> list[str]:
    """The argument list of a graph with one output or several."""
    graph = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    return [str(word).translate(_FROM_GRAPH) for word in ffmpeg.compile(graph)]


def run_graph(
    *outputs: Any,
    timeout: float,
    on_progress: ProgressCallback | None = None,
    stop: threading.Event | None = None,
) -> str:
    """Compile a graph and run it; see `run_ffmpeg`."""
    return run_ffmpeg(compile_graph(*outputs), timeout=timeout, on_progress=on_progress, stop=stop)


def run_ffmpeg(
    argv: Sequence[str],
    *,
    timeout: float,
    on_progress: ProgressCallback | None = None,
    stop: threading.Event | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
) -> str:
    """Run FFmpeg to its end and return its last words (at most 64 KiB of stderr).

    Progress is read from stdout unless `on_stdout` wants the output itself. Raises DubfleetError:
    PROGRAM_MISSING, PROGRAM_TIMEOUT, PROGRAM_FAILED, DISK_FULL, CANCELLED.
    """
    command = [argv[0], "-nostdin", "-hide_banner", "-nostats", "-y"]
    command += ["-loglevel", "level+info", *argv[1:]]
    if on_stdout is None:
        command[7:7] = ["-progress", "pipe:1"]
        on_stdout = _ProgressReader(on_progress or _ignore).feed
    finished = process.run(command, timeout=timeout, on_stdout=on_stdout, stop=stop)
    # It can end with 0 although the last bytes found no room.
    if _says(_FULL, finished.stderr):
        raise disk_full(finished.stderr)
    if finished.returncode != 0:
        raise DubfleetError(
            Reason.PROGRAM_FAILED,
            "FFmpeg failed: " + last_words(finished.stderr),
            detail=finished.stderr,
        )
    return finished.stderr


def says_damaged(stderr: str) -> bool:
    """Whether FFmpeg met the end of the file before the end of the lesson."""
    return _says(_DAMAGED, stderr)


def _says(message: re.Pattern[str], stderr: str) -> bool:
    return any(message.fullmatch(found[2]) for found in _MESSAGE.finditer(stderr))


def last_words(stderr: str) -> str:
    """The last error that says something, else the last line, as a sentence."""
    errors = [found[2].strip() for found in _MESSAGE.finditer(stderr) if found[1] != "warning"]
    errors = [line for line in errors if line]
    if errors:
        return errors[-1].rstrip(".") + "."
    lines = [_PREFIX.sub("", line).strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line]
    return (lines[-1] if lines else "it said nothing").rstrip(".") + "."


def _ignore(_: float) -> None:
    """Nobody wants the progress."""


class _ProgressReader:
    """Turns FFmpeg's `-progress` lines into seconds."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self._on_progress = on_progress
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            key, _, value = line.partition(b"=")
            if key == b"out_time_us":
                # "N/A" before the first frame; negative while priming.
                with contextlib.suppress(ValueError):
                    self._on_progress(max(0.0, int(value) / 1_000_000))

"""Three ways to put lines on one track, each run and measured in a process of its own.

`python -m benchmarks.assembly_methods METHOD FOLDER COUNT` prints a line of JSON. Imports stand in
the functions, so that nobody pays in memory for what another one needs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RATE = 48_000
SECONDS_PER_LINE = 3
MANIFEST = "lines.json"


@dataclass(frozen=True, slots=True)
class Line:
    """A 48 kHz mono clip; `start` is in whole milliseconds, for pydub knows no finer time."""

    path: Path
    start: int


def lines_in(folder: Path, count: int) -> list[Line]:
    """The first `count` lines that were made in the folder."""
    listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return [Line(folder / name, start) for name, start in listed[:count]]


def ours(lines: list[Line], target: Path, seconds: int) -> None:
    """What the node does."""
    from gpu_node.media.voice_track import Clip, assemble

    assemble((Clip(line.path, line.start / 1000) for line in lines), target, seconds)


def pydub(lines: list[Line], target: Path, seconds: int) -> None:
    """The usual Python recipe: every overlay makes a new track."""
    from pydub import AudioSegment

    track = AudioSegment.silent(duration=seconds * 1000, frame_rate=RATE)
    for line in lines:
        track = track.overlay(AudioSegment.from_wav(line.path), position=line.start)
    track.export(target, format="wav")


def ffmpeg(lines: list[Line], target: Path, seconds: int) -> None:
    """The usual FFmpeg recipe: delay each line to its place, mix all."""
    # In samples ("S"): adelay reckons milliseconds in single precision and may be one off.
    delays = [f"[{n}:a]adelay={line.start * RATE // 1000}S[d{n}];" for n, line in enumerate(lines)]
    labels = "".join(f"[d{n}]" for n in range(len(lines)))
    graph = (
        f"{''.join(delays)}{labels}amix=inputs={len(lines)}:normalize=0:duration=longest,"
        f"apad=whole_dur={seconds},atrim=end={seconds}"
    )
    inputs = [word for line in lines for word in ("-i", str(line.path))]
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *inputs, "-filter_complex", graph]
    subprocess.run([*argv, "-c:a", "pcm_s16le", str(target)], check=True)


METHODS: dict[str, Callable[[list[Line], Path, int], None]] = {
    "ours": ours,
    "pydub": pydub,
    "ffmpeg": ffmpeg,
}


def peak_megabytes() -> float:
    """The most memory that this process, or one that it started, has had at once.

    Our own comes from the kernel's high-water mark: `ru_maxrss` would count what the process that
    started us had in memory.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1e6


def main() -> None:
    name, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    lines = lines_in(folder, count)
    METHODS[name](lines[:1], folder / f"{name}-first.wav", SECONDS_PER_LINE)  # loads the libraries
    began, worked = time.perf_counter(), time.process_time()
    METHODS[name](lines, folder / f"{name}.wav", count * SECONDS_PER_LINE)
    measured = {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - worked,
        "megabytes": peak_megabytes(),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

"""Small files to upload."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 2


def film(
    folder: Path, name: str = "lesson.mp4", *, picture: bool = True, sound: bool = True
) -> Path:
    """A video of two seconds."""
    path = folder / name
    inputs, codecs = [], []
    if picture:
        inputs += ["-f", "lavfi", "-i", f"testsrc2=s=64x36:d={SECONDS}:r=10"]
        codecs += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    if sound:
        inputs += ["-f", "lavfi", "-i", f"sine=f=440:d={SECONDS}"]
        codecs += ["-c:a", "aac", "-b:a", "32k"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *codecs, str(path)], check=True)
    return path

"""Lessons made on the spot: tiny moving pictures, a hum, and two beeps to set clocks by.

The hum lies under 200 Hz and the beeps at 1 kHz, so a voice can be told from both.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 6.0
BEEP_SECONDS = 0.1
FFMPEG_TIMEOUT = 60


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg, quietly, over whatever was there."""
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *(str(one) for one in arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=FFMPEG_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr


def beeps(seconds: float = SECONDS) -> tuple[float, float]:
    """When the two beeps begin, on the sound's own clock."""
    return 0.25, seconds - 0.5


def picture(seconds: float = SECONDS, rate: str = "10") -> str:
    """FFmpeg's source of a moving picture."""
    return f"testsrc2=s=160x120:r={rate}:d={seconds}"


def sound(seconds: float = SECONDS, hum: float = 0.1, beep: float = 0.25) -> str:
    """FFmpeg's source of the hum and the beeps."""
    spans = "+".join(f"between(t,{at},{at + BEEP_SECONDS})" for at in beeps(seconds))
    return f"aevalsrc='{hum}*sin(2*PI*110*t)+{beep}*sin(2*PI*1000*t)*({spans})':s=48000:d={seconds}"


X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10"
AAC = "-c:a aac -b:a 96k -ac 2"


@dataclass(frozen=True)
class Film:
    """How a lesson is made. `before_sound` goes before that input, and so on."""

    suffix: str = ".mp4"
    seconds: float = SECONDS
    rate: str = "10"
    before_picture: str = ""
    before_sound: str = ""
    coding: str = f"{X264} {AAC}"
    options: str = ""
    copy_from: str = ""
    copy_with: str = ""
    """Options of a second pass, which copies: what goes before its input, and what after."""
    sources: tuple[str, str] | None = field(default=None)

    def make(self, target: Path) -> Path:
        """Write the lesson to `target`, whatever its name."""
        shown, heard = self.sources or (picture(self.seconds, self.rate), sound(self.seconds))
        twice = self.copy_from or self.copy_with
        encoded = target.with_name(f"encoded{self.suffix}") if twice else target
        ffmpeg(
            *shlex.split(self.before_picture),
            *("-f", "lavfi", "-i", shown),
            *shlex.split(self.before_sound),
            *("-f", "lavfi", "-i", heard),
            *shlex.split(self.coding),
            *shlex.split(self.options),
            encoded,
        )
        if twice:
            before, after = shlex.split(self.copy_from), shlex.split(self.copy_with)
            ffmpeg(*before, "-i", encoded, "-c", "copy", *after, target)
            encoded.unlink()
        return target

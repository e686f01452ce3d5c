"""The lines that are said in the lessons, as the subtitle files a partner gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    start: float
    end: float
    text: str


ENGLISH = (
    Line(1.0, 2.6, "Everybody looks at the river."),
    Line(3.4, 5.0, "Paco sings at home."),
)
SPANISH = (
    Line(1.0, 2.6, "Todos miran el río."),
    Line(3.4, 5.0, "Paco canta en casa."),
)


def srt(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"{number}\n{clock(line.start)} --> {clock(line.end)}\n{line.text}\n"
        for number, line in enumerate(lines, start=1)
    )


def vtt(lines: Sequence[Line]) -> str:
    cues = (f"{clock(line.start, '.')} --> {clock(line.end, '.')}\n{line.text}\n" for line in lines)
    return "\n".join(["WEBVTT\n", *cues])


def clock(seconds: float, point: str = ",") -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours:02}:{minutes:02}:{whole % 60:02}{point}{thousandths:03}"

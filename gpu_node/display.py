"""What a person sees while a dub is made: a bar per stage, or a line where no screen is."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from gpu_node.runner import Progress as StageProgress

LABELS = {
    "media": "Look at the lesson",
    "picture": "Fingerprint the picture",
    "audio": "Extract the sound",
    "detect": "Find the speech",
    "recognise": "Recognise the speech",
    "transcript": "Write the transcript",
    "utterances": "Divide into lines",
    "bed": "Prepare the background",
    "translate": "Translate",
    "speak": "Speak",
    "fit": "Fit to the timeline",
    "stretch": "Stretch",
    "voice": "Build the voice track",
    "mix": "Mix",
    "master": "Set the loudness",
    "captions": "Write the subtitles",
    "mux": "Put the video together",
    "score": "Check the result",
}


def label(stage: str) -> str:
    return LABELS.get(stage, stage.capitalize())


def let_go_of_dead_terminals() -> None:
    """Send what is still said to a terminal that was closed nowhere, where it is no error."""
    for handle in (1, 2):
        try:
            termios.tcgetattr(handle)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                _silence(handle)


def _silence(handle: int) -> None:
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), handle)


class Display:
    """Shows progress on stderr; call it with each Progress from the runner's thread."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._live = console.is_terminal and not quiet
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]:<14}"),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, progress: StageProgress) -> None:
        if self._live:
            self._draw(progress)
        elif progress.finished and not self._quiet:
            note = _note(progress)
            self._console.print(
                f"{label(progress.stage):<24} {progress.seconds:7.2f} s  {note}".rstrip(),
                highlight=False,
            )

    def _draw(self, progress: StageProgress) -> None:
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(label(progress.stage), note="")
        task = self._tasks[progress.stage]
        self._bars.update(
            task,
            completed=progress.done,
            total=progress.total if progress.total else 1,
            note=_note(progress),
        )
        if progress.finished:
            self._bars.update(task, completed=progress.total or 1, total=progress.total or 1)
            self._bars.stop_task(task)


def _note(progress: StageProgress) -> str:
    words = []
    if progress.total > 1:
        words.append(f"{progress.done:.0f} of {progress.total:.0f}")
    if progress.reused:
        words.append(f"{progress.reused} kept")
    return ", ".join(words)

"""A real lesson through a real worker, which is killed while it speaks."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from gpu_node.artefacts import Store
from gpu_node.contracts.dub import DubReport
from gpu_node.contracts.timeline import SpokenLine
from tests.gpu_node.e2e import checks
from tests.gpu_node.e2e.films import Film
from tests.gpu_node.e2e.subtitles import ENGLISH, SPANISH, srt
from tests.gpu_node.worker.conftest import StartWorker
from tests.gpu_node.worker.processes import REAL, WorkerProcess, wait_for
from tests.support.node_api import Site, SiteJob

OUTPUTS = {"video", "audio", "target_vtt", "source_vtt", "target_srt", "source_srt"}
AMPLE = 90.0

# Notes what it is given to say, waits at the gate with one line, and becomes the real program.
ESPEAK = """#!/bin/bash
case " $* " in *" --stdin "*) ;; *) exec "$REAL_ESPEAK" "$@" ;; esac
text=$(cat)
printf '%s\\n' "$text" >>"$SPOKEN_LOG"
if [[ $text == "$HOLD_TEXT" ]]; then while [[ -e $GATE ]]; do sleep 0.05; done; fi
exec "$REAL_ESPEAK" "$@" < <(printf '%s' "$text")
"""


@dataclass
class Booth:
    """Where the lines are spoken, watched."""

    folder: Path

    def __post_init__(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        (programs / "espeak-ng").write_text(ESPEAK)
        (programs / "espeak-ng").chmod(0o755)
        real = shutil.which("espeak-ng")
        assert real is not None
        self.gate.touch()
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "REAL_ESPEAK": real,
            "SPOKEN_LOG": os.fspath(self.log),
            "HOLD_TEXT": SPANISH[1].text,
            "GATE": os.fspath(self.gate),
        }

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def log(self) -> Path:
        return self.folder / "spoken"

    def spoken(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def finished_lines(worker: WorkerProcess) -> int:
    """Lines whose sound is in the store."""
    found = 0
    for root in worker.work.glob("jobs/*/store"):
        for record in root.glob("records/*/*"):
            try:
                line = SpokenLine.model_validate_json(record.read_bytes().partition(b"\n")[2])
            except (ValidationError, FileNotFoundError):
                continue
            found += Store(root).intact(line.audio)
    return found


def submit(site: Site, folder: Path) -> SiteJob:
    lesson = Film().make(folder / "lesson.mp4")
    return site.submit(
        {"kind": "dub", "version": 1, "source_language": "en", "target_language": "es"},
        {
            "lesson": site.store(lesson.read_bytes(), ".mp4"),
            "subtitles": site.store(srt(ENGLISH).encode(), ".srt"),
            "target_subtitles": site.store(srt(SPANISH).encode(), ".srt"),
        },
    )


@pytest.mark.parametrize("whole", [False, True], ids=["the pool's child", "the whole worker"])
def test_killed_while_it_speaks(
    site: Site, start_worker: StartWorker, tmp_path: Path, whole: bool
) -> None:
    job = submit(site, tmp_path)
    booth = Booth(tmp_path / "booth")
    worker = start_worker(app=REAL, environment=booth.environment)
    wait_for(lambda: len(booth.spoken()) == 2 and finished_lines(worker) == 1, AMPLE)
    if whole:
        worker.kill()
        booth.gate.unlink()
        assert worker.survivors() == []
        worker.start()
    else:
        worker.kill_child()
        booth.gate.unlink()
    wait_for(lambda: job.state in ("succeeded", "failed"), AMPLE)
    assert job.failures == []
    assert len(job.completions) == 1
    assert sorted(booth.spoken()) == sorted([*(line.text for line in SPANISH), SPANISH[1].text])

    completion = job.completions[0]
    assert completion.outputs.keys() == OUTPUTS
    report = DubReport.model_validate(completion.result)
    assert [line.target for line in report.utterances] == [line.text for line in SPANISH]
    assert report.blockers == 0
    video = tmp_path / "dub.mp4"
    video.write_bytes(site.blobs[completion.outputs["video"].digest])
    checks.require_tracks(video)
    checks.require_lines_on_time(video)
    wait_for(lambda: list((worker.work / "jobs").iterdir()) == [])

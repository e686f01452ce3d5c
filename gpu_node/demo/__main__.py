"""`make demo`: build the sample lesson, dub it, measure it, and say where it is.

With LESSON=my.mp4 FROM=en TO=es in the environment it dubs that file instead. The last two lines
are always `original: PATH` and `dubbed: PATH`. The exit code is 0 only if every check passed.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gpu_node import local
from gpu_node.cli import exit_code, shown
from gpu_node.contracts.dub import DubReport
from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.jobs import DubPayload
from gpu_node.demo.lesson import SampleLesson, build_lesson
from gpu_node.demo.memory import PeakMemory
from gpu_node.demo.picture import draw
from gpu_node.display import Display, label
from gpu_node.languages import name, parse
from gpu_node.scorecard import onsets
from gpu_node.stages.scoring import level_track

_FOLDER = Path("var/demo")
_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Check:
    """A promise and what was measured."""

    what: str
    measured: str
    kept: bool


def main() -> None:
    console = Console()
    try:
        sys.exit(_demo(console))
    except DubfleetError as error:
        print(f"demo: {error.sentence}", file=sys.stderr)
        sys.exit(exit_code(error.reason))
    except KeyboardInterrupt:
        print("demo: Stopped.", file=sys.stderr)
        sys.exit(130)


def _demo(console: Console) -> int:
    source, target = parse(os.environ.get("FROM") or "en"), parse(os.environ.get("TO") or "es")
    folder = _FOLDER.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("LESSON")
    sample = None
    if given:
        lesson = Path(given).absolute()
    else:
        console.print("Building the sample lesson: a human reading, slides, music and a silence.")
        sample = build_lesson(folder)
        lesson = sample.video
    output = folder / f"{lesson.stem}-{target}.mp4"
    console.print(f"Dubbing it from {name(source)} into {name(target)}.")
    request = local.Request(
        lesson=lesson,
        output=output,
        payload=DubPayload(source_language=source, target_language=target),
        report=output.with_suffix(".json"),
    )
    with PeakMemory() as memory, Display(console) as display:
        report = local.run(request, observer=display)
    checks = _promises(report)
    if sample is not None:
        # How fast, and in how much memory, is promised for this lesson on two cores.
        checks += [
            *_cost(report, memory),
            *_onsets(sample, output, report.score.highest_rate or 1.0),
        ]
    _show(console, report, checks)
    console.print(
        "The voice is eSpeak NG's and the translation Apertium's: they show the machinery, "
        "not the quality that the production engines give."
    )
    picture = output.with_suffix(".png")
    draw(report, output, picture)
    print(f"timeline: {shown(picture)}")
    print(f"original: {shown(lesson)}")
    print(f"dubbed: {shown(output)}")
    return 0 if all(check.kept for check in checks) else 1


def _cost(report: DubReport, memory: PeakMemory) -> list[Check]:
    factor, size = report.real_time_factor, memory.megabytes
    return [
        Check("real-time factor at most 0.5", f"{factor:.2f}", factor <= 0.5),
        Check("memory at most 500 MB", f"{size:.0f} MB", size <= 500),
    ]


def _promises(report: DubReport) -> list[Check]:
    score, peak = report.score, report.score.loudness.true_peak
    loudness = score.loudness.integrated
    return [
        Check("picture packets and times unchanged", "identical", score.picture_unchanged),
        Check(
            "loudness -16 LUFS within 1",
            f"{loudness} LUFS",
            loudness is not None and abs(loudness + 16) <= 1,
        ),
        Check("true peak at most -1 dBTP", f"{peak} dBTP", peak is not None and peak <= -1),
    ]


def _onsets(sample: SampleLesson, output: Path, fastest: float) -> list[Check]:
    """When lines are heard in the finished file, against when the reader began them."""
    expected = {str(number): line.start for number, line in enumerate(sample.lines)}
    heard = onsets.heard_onsets(level_track(output, timeout=_TIMEOUT), expected)
    errors = [at - expected[key] for key, at in heard.items() if at is not None]
    measured = onsets.percentiles(errors)
    all_heard = len(errors) == len(expected)
    checks = [
        Check("every line is heard", f"{len(errors)} of {len(expected)}", all_heard),
        Check("the fit had work to do", f"{fastest:.2f} at most", fastest > 1.0),
    ]
    if measured is not None:
        for title, value, limit in zip(
            ("p50", "p95", "max"), measured, (0.05, 0.5, 1.0), strict=True
        ):
            checks.append(
                Check(f"onset error {title} at most {limit} s", f"{value:.3f} s", value <= limit)
            )
    return checks


def _show(console: Console, report: DubReport, checks: list[Check]) -> None:
    stages = Table("stage", "seconds", "tasks", title="Stages (they overlap)")
    for stage in report.stages:
        stages.add_row(label(stage.stage), f"{stage.seconds:.2f}", str(stage.tasks))
    stages.add_row("whole run", f"{report.seconds:.2f}", "", style="bold")
    console.print(stages)
    lines = Table("line", "at", "late", "rate", "said", title="Utterances")
    for line in report.utterances:
        lines.add_row(
            line.id,
            f"{line.start:.2f}",
            f"{line.lateness:.2f}" if line.lateness is not None else "-",
            f"{line.rate:.2f}" if line.rate is not None else "-",
            line.sentence or line.target or "",
            style="red" if line.blocker else "",
        )
    console.print(lines)
    table = Table("promise", "measured", "", title="Checks")
    for check in checks:
        table.add_row(check.what, check.measured, "kept" if check.kept else "BROKEN")
    console.print(table)


if __name__ == "__main__":
    main()

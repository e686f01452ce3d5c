"""`make demo`: take the sample lesson through the whole system, and measure what came out.

With LESSON=my.mp4 FROM=en TO=es in the environment it takes that file instead. The last two lines
are always `original: PATH` and `dubbed: PATH`. The exit code is 0 only if every check passed.

The system is the site's own affair (`manage.py demo`), which runs as a process of its own; what
this module adds is the lesson, whose truth is known, and the measuring of the published dub.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from gpu_node.cli import Exit, exit_code, one_line, shown
from gpu_node.contracts.dub import DubReport
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.journey import JourneyReport, Promise
from gpu_node.demo.lesson import SampleLesson, build_lesson
from gpu_node.demo.memory import PeakMemory
from gpu_node.demo.picture import draw
from gpu_node.display import label
from gpu_node.languages import name, parse
from gpu_node.media.probe import probe
from gpu_node.scorecard import onsets
from gpu_node.stages.scoring import level_track

_FOLDER = Path("var/demo")
_SITE = Path(__file__).resolve().parents[2] / "platform" / "manage.py"
_TIMEOUT = 600.0
_MOST_MEGABYTES = 1500
_MOST_SECONDS_TO_REVIEW = 60.0
_LONGEST_STEM = 200
"""In bytes: what we append has to fit into a file's name as well."""


class Stopped(KeyboardInterrupt):
    """Somebody wants us to end: Ctrl-C, a closing terminal, a polite kill."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a closing terminal is to be ignored, and stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    console = Console()
    try:
        folder = _FOLDER.absolute()
        with _alone(folder):
            status = _demo(console, folder)
        sys.exit(status)
    except DubfleetError as error:
        print(f"demo: {one_line(error.sentence)}", file=sys.stderr)
        sys.exit(exit_code(error.reason))
    except OSError as error:
        print(f"demo: {error.strerror}: {error.filename}", file=sys.stderr)
        sys.exit(Exit.MACHINE)
    except Stopped as stopped:
        print("demo: Stopped.", file=sys.stderr)
        sys.exit(128 + stopped.number)


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only demo here: all of them write the same files. Raises DubfleetError(BUSY)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"Another demo is running here ({shown(folder)}): wait until it has ended."
            raise DubfleetError(Reason.BUSY, sentence) from None
        yield


def _demo(console: Console, folder: Path) -> int:
    source, target = parse(os.environ.get("FROM") or "en"), parse(os.environ.get("TO") or "es")
    given = os.environ.get("LESSON")
    sample = None
    if given:
        lesson = Path(given).absolute()
        # Before a whole site is started for it.
        probe(lesson)
    else:
        console.print("Building the sample lesson: a human reading, slides, music and a silence.")
        sample = build_lesson(folder)
        lesson = sample.video
    console.print(
        f"Taking it from {name(source)} into {name(target)}, from the button to the sale."
    )
    with PeakMemory() as memory:
        status, journey = _travel(lesson, source, target, folder)
    if journey is None:
        return status or 1
    report = journey.dub
    output = folder / f"{_stem(lesson)}-{target}.mp4"
    shutil.copyfile(journey.published, output)
    checks = [*journey.promises, *_promises(report)]
    if sample is not None:
        # How fast, and in how much memory, is promised for this lesson on two cores.
        checks += [
            _soon_enough(journey.seconds_to_review),
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


def _stem(lesson: Path) -> str:
    """The lesson's name without its ending, short enough to be lengthened."""
    stem = lesson.stem
    while len(os.fsencode(stem)) > _LONGEST_STEM:
        stem = stem[:-1]
    return stem


def _travel(
    lesson: Path, source: str, target: str, folder: Path
) -> tuple[int, JourneyReport | None]:
    """The site, run as its own program from the button to the node's sleep; its exit status."""
    told = folder / "journey.json"
    told.unlink(missing_ok=True)
    sys.stdout.flush()
    site = subprocess.Popen(
        [
            # Killed, we could not stop it: it ends because we do.
            *(sys.executable, "-m", "orchestrator.parent_death", "--parent", str(os.getpid())),
            *("--", sys.executable, str(_SITE), "demo"),
            *("--lesson", str(lesson), "--from", source, "--to", target),
            *("--folder", str(folder / "site"), "--report", str(told)),
        ],
        # It hears of Ctrl-C from us, and only once: twice would mean "at once".
        start_new_session=True,
    )
    try:
        status = site.wait()
    except Stopped as stopped:
        # It says itself that it was stopped.
        _pass_on_to(site, stopped.number)
        return 128 + stopped.number, None
    try:
        return status, JourneyReport.model_validate_json(told.read_bytes())
    except (FileNotFoundError, ValidationError):
        return status, None


def _pass_on_to(site: subprocess.Popen[bytes], number: int) -> None:
    """Have the site stop, and wait: it needs a moment for all of its processes."""
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(again) is _stop:
            signal.signal(again, lambda hurry, _: site.send_signal(hurry))
    site.send_signal(number)
    site.wait()


def _soon_enough(seconds: float) -> Promise:
    what = f"from the button to the review at most {_MOST_SECONDS_TO_REVIEW:.0f} s, boot included"
    return _promise(what, f"{seconds:.1f} s", seconds <= _MOST_SECONDS_TO_REVIEW)


def _cost(report: DubReport, memory: PeakMemory) -> list[Promise]:
    factor, size = report.real_time_factor, memory.megabytes
    most = f"memory of all processes at most {_MOST_MEGABYTES} MB"
    return [
        _promise("real-time factor at most 0.5", f"{factor:.2f}", factor <= 0.5),
        _promise(most, f"{size:.0f} MB", size <= _MOST_MEGABYTES),
    ]


def _promise(what: str, measured: str, kept: bool) -> Promise:
    return Promise(what=what, measured=measured, kept=kept)


def _promises(report: DubReport) -> list[Promise]:
    score, peak = report.score, report.score.loudness.true_peak
    loudness = score.loudness.integrated
    return [
        _promise("picture packets and times unchanged", "identical", score.picture_unchanged),
        _promise(
            "loudness -16 LUFS within 1",
            f"{loudness} LUFS",
            loudness is not None and abs(loudness + 16) <= 1,
        ),
        _promise("true peak at most -1 dBTP", f"{peak} dBTP", peak is not None and peak <= -1),
    ]


def _onsets(sample: SampleLesson, output: Path, fastest: float) -> list[Promise]:
    """When lines are heard in the finished file, against when the reader began them."""
    expected = {str(number): line.start for number, line in enumerate(sample.lines)}
    heard = onsets.heard_onsets(level_track(output, timeout=_TIMEOUT), expected)
    errors = [at - expected[key] for key, at in heard.items() if at is not None]
    measured = onsets.percentiles(errors)
    all_heard = len(errors) == len(expected)
    checks = [
        _promise("every line is heard", f"{len(errors)} of {len(expected)}", all_heard),
        _promise("the fit had work to do", f"{fastest:.2f} at most", fastest > 1.0),
    ]
    if measured is not None:
        for title, value, limit in zip(
            ("p50", "p95", "max"), measured, (0.05, 0.5, 1.0), strict=True
        ):
            checks.append(
                _promise(f"onset error {title} at most {limit} s", f"{value:.3f} s", value <= limit)
            )
    return checks


def _show(console: Console, report: DubReport, checks: list[Promise]) -> None:
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

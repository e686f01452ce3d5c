"""`dub`: one lesson in another language, from the command line."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Self

import click
from rich.console import Console

from gpu_node import __version__, local
from gpu_node.contracts.dub import DubReport
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.display import Display, let_go_of_dead_terminals
from gpu_node.languages import parse

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """What the exit code says. 2 is also what a wrong option gives."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    BLOCKERS = 4
    MACHINE = 5
    BUSY = 6
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


_MACHINE = frozenset(
    {
        Reason.PROGRAM_MISSING,
        Reason.PROGRAM_FAILED,
        Reason.PROGRAM_TIMEOUT,
        Reason.ENGINE_FAILED,
        Reason.DISK_FULL,
        Reason.OUTPUT_UNWRITABLE,
    }
)
_USAGE = frozenset(
    {
        Reason.LANGUAGE_UNKNOWN,
        Reason.LANGUAGE_SAME,
        Reason.PAIR_UNSUPPORTED,
        Reason.ENGINE_UNKNOWN,
        Reason.OUTPUT_IS_INPUT,
        Reason.OUTPUT_NOT_MP4,
        Reason.AUDIO_TRACK_MISSING,
    }
)

EPILOG = """\b
Exit codes:
  0    the dub is written (a line may be left in the original: see the report)
  1    a mistake in this program
  2    the options do not go together, or a language or engine is not available
  3    the lesson or its subtitles cannot be used
  4    with --strict: the dub is written, but some lines need a person
  5    the machine: a program is missing or failed, the disk is full, no right to write
  6    the same dub is being made by another process
  129  hung up (the terminal was closed); 130 interrupted (Ctrl-C); 143 terminated
After any code but 0 and 4 nothing new is left in the output's folder."""

_PATH = click.Path(path_type=Path)

_STOPPING = {
    signal.SIGHUP: Exit.HUNG_UP,
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
}


class StopSignals:
    """Turns Ctrl-C, SIGTERM and SIGHUP into a word that running work looks at.

    Nothing is raised where the signal happens to arrive: cleaning up must not be cut short.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.exit = Exit.INTERRUPTED

    def __enter__(self) -> Self:
        # Under `nohup` a terminal that is closed is to be outlived.
        deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heeded = [number for number in _STOPPING if not (deaf and number == signal.SIGHUP)]
        self._before = {number: signal.signal(number, self._heard) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, _: FrameType | None) -> None:
        self.exit = _STOPPING[signal.Signals(number)]
        self.stop.set()
        let_go_of_dead_terminals()


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("lesson", type=_PATH, metavar="INPUT")
@click.option("--from", "source", required=True, metavar="LANG", help="The lesson's language.")
@click.option("--to", "target", required=True, metavar="LANG", help="The language to dub into.")
@click.option("-o", "--output", required=True, type=_PATH, metavar="OUT.mp4", help="The dub.")
@click.option("--subtitles", type=_PATH, help="The lesson's own subtitles (SRT or WebVTT).")
@click.option("--target-subtitles", type=_PATH, help="A finished translation (SRT or WebVTT).")
@click.option("--report", type=_PATH, metavar="R.json", help="Write what was done and measured.")
@click.option("--asr", metavar="NAME", help="Transcriber: pocketsphinx, subtitles or none.")
@click.option("--mt", metavar="NAME", help="Translator: apertium or provided.")
@click.option("--tts", metavar="NAME", help="Synthesizer: espeak.")
@click.option("--separation", metavar="NAME", help="Separator: none (the original is ducked).")
@click.option("--audio-track", type=click.IntRange(min=1), help="Which track, counted from 1.")
@click.option("--work", type=_PATH, metavar="FOLDER", help="Keep the work here, for a next run.")
@click.option("--strict", is_flag=True, help="Exit with 4 if a line needs a person.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.option("--debug", is_flag=True, help="Show what programs said, and where it went wrong.")
@click.version_option(__version__, prog_name="dub")
def dub(
    lesson: Path,
    source: str,
    target: str,
    output: Path,
    subtitles: Path | None,
    target_subtitles: Path | None,
    report: Path | None,
    asr: str | None,
    mt: str | None,
    tts: str | None,
    separation: str | None,
    audio_track: int | None,
    work: Path | None,
    strict: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Dub the lesson INPUT into another language, as MP4 with subtitles beside it."""
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
    signals = StopSignals()
    try:
        request = local.Request(
            lesson=lesson,
            output=output,
            payload=DubPayload(
                source_language=parse(source),
                target_language=parse(target),
                transcriber=asr,
                translator=mt,
                synthesizer=tts,
                separator=separation,
                audio_track=audio_track,
            ),
            subtitles=subtitles,
            target_subtitles=target_subtitles,
            report=report,
            work=work,
        )
        with signals, Display(Console(stderr=True), quiet=quiet) as display:
            written = local.run(request, observer=display, stop=signals.stop)
    except DubfleetError as error:
        _fail(error.sentence, error.detail if debug else "")
        sys.exit(signals.exit if error.reason is Reason.CANCELLED else exit_code(error.reason))
    except Exception as error:
        if debug:
            raise
        _fail(f"This is a mistake in the program, please report it: {error!r}")
        sys.exit(Exit.BUG)
    _tell(written, output, quiet=quiet)
    sys.exit(Exit.BLOCKERS if strict and written.blockers else Exit.DONE)


def exit_code(reason: Reason) -> Exit:
    if reason in _MACHINE:
        return Exit.MACHINE
    if reason in _USAGE:
        return Exit.USAGE
    if reason is Reason.BUSY:
        return Exit.BUSY
    return Exit.BUG if reason is Reason.INTERNAL else Exit.INPUT


def _fail(sentence: str, detail: str = "") -> None:
    if detail:
        click.echo(detail.rstrip(), err=True)
    click.echo(f"dub: {one_line(sentence)}", err=True)


def one_line(text: str) -> str:
    """Text in which a user is quoted, fit for a line of a terminal or a log."""
    return "".join(character if character.isprintable() else " " for character in text)


def _tell(written: DubReport, output: Path, *, quiet: bool) -> None:
    if not quiet:
        spoken, expected = written.score.lines_spoken, written.score.lines_expected
        click.echo(
            f"{spoken} of {expected} lines spoken in {written.seconds:.1f} s "
            f"({written.real_time_factor:.2f} of the lesson's length).",
            err=True,
        )
    for line in written.utterances:
        if line.blocker is not None:
            click.echo(
                f"dub: at {line.start:.1f} s the original is left: {line.sentence}", err=True
            )
    click.echo(shown(output.absolute()))


def shown(path: Path) -> str:
    """A path for people: bytes that are not UTF-8 become question marks."""
    return str(path).encode("utf-8", "replace").decode()

"""Reads and writes SRT and WebVTT subtitles, and refuses what it does not understand.

Why a parser of our own: the existing ones are made for showing subtitles, where a lost line is a
trifle. At a mistyped timing line webvtt-py drops the cue, and pysubs2 makes it text of the cue
before, times and all; srt does that where a number is mistyped. A dub would have a silent hole, or
a voice reading out times. Here every line ends up as a cue's text, as something known to be silent,
or as an error that says where.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5
from pathlib import Path
from typing import NamedTuple
from unicodedata import category, normalize

from gpu_node.contracts.errors import DubfleetError, Reason

MAX_BYTES = 20_000_000
# Milliseconds two cues may overlap by: frame times rounded apart, not two cues at once.
MAX_OVERLAP = 50

_LAST_SECOND = 10_000 * 3600
_STAMP = r"(?:([0-9]{1,4}):)?([0-5]?[0-9]):([0-5]?[0-9])[.,]([0-9]{1,3})"
# Settings look like "align:start" or "X1:40". Anything else there is text, and would get lost.
_TIMING = re.compile(rf"{_STAMP}[ \t]*-->[ \t]*{_STAMP}(?:[ \t]+[^\s:]+:\S*)*")
_WITHOUT_CUE = re.compile(r"(?:WEBVTT|NOTE)(?:[ \t]|$)|(?:STYLE|REGION)$")

# No pattern matches its own first character again: a vain search ends at the next one, and all of
# them together take linear time, whatever the text.
_TAG = (
    r"</?(?:(?:i|b|u|s|c|ruby|rt|br)(?:\.[^\s<>]*)?\s*/?|(?:font|v|lang)(?:[.\s][^<>]*)?)>"
    r"|<(?:[0-9]{2,4}:)?[0-9]{2}:[0-9]{2}\.[0-9]{3}>"
)
_MARKUP = re.compile(rf"{_TAG}|\{{\\[^{{}}]*\}}", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)
_UNSAFE_IN_SRT = re.compile(f"(?={_MARKUP.pattern}|{_ENTITY.pattern}).|--(?=>)", re.IGNORECASE)
_UNSAFE_IN_VTT = re.compile(r"\{(?=\\)")
# A zero width space within what would be misread: players do not show it, parsing removes it.
_PARTED = "\\g<0>\u200b"

# Soft hyphen, zero width space, bidi marks, byte order mark and their like. Not the zero width
# joiners: Persian, Indic scripts and emoji are spelt with them.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Surrogates among them: a file with one could not be encoded.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONG_RUN = re.compile(r"[^\w\s\x00-\x7f]{32,}")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start` to `end`, in seconds. `text` is plain; "\\n" parts its lines."""

    start: float
    end: float
    text: str


class _Timed(NamedTuple):
    """A cue in the file: its place, from 1, and whole milliseconds, which compare exactly."""

    number: int
    start: int
    end: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.number} (at {_clock(self.start)})"


def read_subtitles(path: Path) -> tuple[Cue, ...]:
    """Read an SRT or WebVTT file, told apart by their content.

    Raises DubfleetError: SUBTITLES_MISSING if the file cannot be opened, and whatever
    `decode_subtitles` and `parse_subtitles` raise.
    """
    try:
        # A folder is not one either, and opening a named pipe would wait for ever.
        if not path.is_file():
            sentence = "There is no such file: check its name and folder."
            raise DubfleetError(Reason.SUBTITLES_MISSING, sentence)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        sentence = f"The file cannot be read ({error.strerror}): check its permissions."
        raise DubfleetError(Reason.SUBTITLES_MISSING, sentence) from error
    return parse_subtitles(decode_subtitles(data))


def decode_subtitles(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark, or UTF-16 with one.

    Other encodings are not guessed: a wrong guess is read out as nonsense.
    Raises DubfleetError: SUBTITLES_ENCODING; SUBTITLES_BROKEN above MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        size = MAX_BYTES // 1_000_000
        raise _broken(f"The file is larger than {size} MB: check that it is the right one")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        raise _not_text(f"Line {line} is not text in UTF-8") from None
    if "\0" in text:
        raise _not_text("The file is not plain text in UTF-8")
    return text


def parse_subtitles(text: str) -> tuple[Cue, ...]:
    """Read WebVTT if the text begins with WEBVTT, else SRT. Cues are in order, without overlap.

    Markup goes, line breaks within a cue stay. Cues without any text are dropped, as they are
    blank placeholders. An overlap of up to MAX_OVERLAP is taken off the earlier cue.
    Raises DubfleetError: SUBTITLES_BROKEN, SUBTITLES_EMPTY, SUBTITLES_TIMING; SUBTITLES_ENCODING
    for NUL characters.
    """
    if "\0" in text:
        raise _not_text("The file is not plain text in UTF-8")
    blocks = list(_blocks(text))
    vtt = bool(blocks) and re.match(r"WEBVTT(?:[ \t]|$)", blocks[0][1][0]) is not None
    cues = _without_overlaps(cue for cue in _cues(blocks, vtt) if cue.text)
    if not cues:
        sentence = "There are no subtitles in the file: check that it is the right one."
        raise DubfleetError(Reason.SUBTITLES_EMPTY, sentence)
    return tuple(Cue(cue.start / 1000, cue.end / 1000, cue.text) for cue in cues)


def format_srt(cues: Sequence[Cue]) -> str:
    """Write SRT, times rounded to milliseconds. Cues without text are left out.

    SRT knows no escapes: an invisible space parts what would be taken for markup or for times.
    Overlaps are written as they are.
    Raises DubfleetError: SUBTITLES_TIMING for a cue that does not end after it starts.
    """
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        f"{_UNSAFE_IN_SRT.sub(_PARTED, cue.text)}\n"
        for number, cue in enumerate(_writable(cues), start=1)
    )


def format_vtt(cues: Sequence[Cue], language: str | None = None) -> str:
    """Write WebVTT, under the same rules; `language` is a BCP 47 tag for the header.

    Raises DubfleetError: SUBTITLES_TIMING for a cue that does not end after it starts.
    """
    named = f"Language: {re.sub('[^A-Za-z0-9-]', '', language)}\n" if language else ""
    written = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        f"{_UNSAFE_IN_VTT.sub(_PARTED, html.escape(cue.text, quote=False))}\n"
        for cue in _writable(cues)
    )
    return "\n".join([f"WEBVTT\n{named}", *written])


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines between blank ones, each with the number of its first line, from 1."""
    text = text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n") + "\n"
    block: list[str] = []
    # Not splitlines(): that also splits at characters which end no line in SRT or WebVTT.
    for number, line in enumerate(text.split("\n"), start=1):
        if line := line.strip(" \t"):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _cues(blocks: Iterable[tuple[int, list[str]]], vtt: bool) -> Iterator[_Timed]:
    last: _Timed | None = None
    for line, block in blocks:
        if vtt and _WITHOUT_CUE.match(block[0]):
            _refuse_times(line, block)
        elif cue := _cue(line, block, vtt, last):
            yield cue
            last = cue


def _cue(line: int, block: list[str], vtt: bool, last: _Timed | None) -> _Timed | None:
    """Read one cue. None if nothing in the block can be seen: no cue then, and no text lost."""
    place = f"after cue {last.number} at {_clock(last.start)}" if last else "before the first cue"
    at = next((n for n, text in enumerate(block[:2]) if "-->" in text), None)
    # In WebVTT any line may name a cue; in SRT, text above the times has lost its own.
    if at is None or (at == 1 and not vtt and not _INVISIBLE.sub("", block[0]).isdecimal()):
        if not _plain("\n".join(block)):
            return None
        raise _broken(
            f"The text on line {line} ({place}) has no timing line: add one, or remove the empty "
            "line above it if it belongs to the cue before"
        )
    number = last.number + 1 if last else 1
    times = _times(_INVISIBLE.sub("", block[at]).strip(), vtt)
    if times is None:
        form = "00:01:02.500 --> 00:01:04.000" if vtt else "00:01:02,500 --> 00:01:04,000"
        raise _broken(
            f"Cue {number} (line {line + at}, {place}) has a timing line that cannot be read: "
            f"write it like {form}"
        )
    _refuse_times(line + at + 1, block[at + 1 :])
    return _Timed(number, *times, _plain("\n".join(block[at + 1 :])))


def _times(line: str, vtt: bool) -> tuple[int, int] | None:
    found = _TIMING.fullmatch(line)
    if found is None or not (vtt or (found[1] and found[5])):
        return None
    return _milliseconds(*found.group(1, 2, 3, 4)), _milliseconds(*found.group(5, 6, 7, 8))


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(fraction.ljust(3, "0"))


def _refuse_times(first: int, lines: list[str]) -> None:
    """Refuse a timing line, even a misspelt one, where none belongs; other arrows are text."""
    for number, line in enumerate(lines, start=first):
        before, arrow, after = line.partition("-->")
        if arrow and (before.rstrip()[-1:].isdecimal() or after.lstrip()[:1].isdecimal()):
            raise _broken(
                f"The timing line on line {number} stands among other text: "
                "put an empty line where its cue begins"
            )


def _without_overlaps(cues: Iterable[_Timed]) -> list[_Timed]:
    kept: list[_Timed] = []
    for cue in cues:
        if cue.end <= cue.start:
            raise _mistimed(cue, "does not end after it starts: correct its times")
        if kept:
            earlier = kept[-1]
            if cue.start < earlier.start:
                raise _mistimed(cue, f"starts before cue {earlier.name} does: put them in order")
            # Of two that start together, the earlier would be left with no time at all.
            if earlier.end - cue.start > MAX_OVERLAP or cue.start == earlier.start:
                raise _mistimed(cue, f"starts before cue {earlier.name} ends: part their times")
            kept[-1] = earlier._replace(end=min(earlier.end, cue.start))
        kept.append(cue)
    return kept


def _writable(cues: Sequence[Cue]) -> Iterator[_Timed]:
    for number, cue in enumerate(cues, start=1):
        # Put this way round, it refuses NaN too.
        if not 0 <= cue.start < cue.end < _LAST_SECOND:
            sentence = f"Cue {number} cannot last from {cue.start} s to {cue.end} s: correct these."
            raise DubfleetError(Reason.SUBTITLES_TIMING, sentence)
        start = round(cue.start * 1000)
        # A cue shorter than a millisecond still has to end after it starts.
        end = max(start + 1, round(cue.end * 1000))
        if text := _tidy(cue.text):
            yield _Timed(number, start, end, text)


def _plain(text: str) -> str:
    # Entities come second: "&lt;i>" is how a tag is shown, not how it is used.
    text = _MARKUP.sub(lambda tag: "\n" if tag[0].lower().startswith("<br") else "", text)
    return _tidy(_ENTITY.sub(_character, text))


def _character(entity: re.Match[str]) -> str:
    # Alone, unescape() would also decode the mere beginning of a name: "&notes;" as "¬es;".
    known = entity[0].startswith("&#") or entity[0][1:] in html5
    return html.unescape(entity[0]) if known else entity[0]


def _tidy(text: str) -> str:
    """Keep what can be seen: no control or invisible characters, no blank lines; NFC."""
    text = _INVISIBLE.sub("", text)
    # NFC takes quadratic time over a run of combining marks; no script needs this many in a row.
    text = _LONG_RUN.sub(lambda run: "".join(c for c in run[0] if category(c)[0] != "M"), text)
    lines = (_CONTROL.sub(" ", line).strip() for line in text.splitlines())
    return normalize("NFC", "\n".join(line for line in lines if line))


def _clock(milliseconds: int, separator: str = "") -> str:
    seconds, rest = divmod(milliseconds, 1000)
    fraction = f"{separator}{rest:03}" if separator else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _not_text(what: str) -> DubfleetError:
    advice = "open the file in a text editor and save it with the encoding UTF-8"
    return DubfleetError(Reason.SUBTITLES_ENCODING, f"{what}: {advice}.")


def _broken(what: str) -> DubfleetError:
    return DubfleetError(Reason.SUBTITLES_BROKEN, f"{what}.")


def _mistimed(cue: _Timed, what: str) -> DubfleetError:
    return DubfleetError(Reason.SUBTITLES_TIMING, f"Cue {cue.name} {what}.")

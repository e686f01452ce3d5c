"""Reads and writes SRT and WebVTT subtitles, and refuses what it does not understand.

Why a parser of our own: the existing ones are made for showing subtitles, where a lost line is a
trifle. Given one mistyped timing line, webvtt-py drops that cue, pysubs2 appends its times and text
to the cue before, and srt does so too when the number above it is missing. In a dub each of these
is a silent hole, or a voice that reads out times. Here every line of the file ends up as a cue's
text, as something known to be silent, or as an error that says where.

Inside this module times are whole milliseconds, so that comparing them is exact.
"""

from __future__ import annotations

import html
import html.entities
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from gpu_node.contracts.errors import DubfleetError, Reason

MAX_BYTES = 20_000_000
MAX_OVERLAP = 50
"""Milliseconds that two cues may overlap by: frame times rounded apart, not two cues at once."""

_STAMP = r"(?:([0-9]{1,4}):)?([0-5]?[0-9]):([0-5]?[0-9])[.,]([0-9]{1,3})"
_TIMING = re.compile(rf"{_STAMP}[ \t]*-->[ \t]*{_STAMP}(?:[ \t](.*))?")
_LAST_MOMENT = 10_000 * 3_600_000
_WITHOUT_CUE = re.compile(r"(?:WEBVTT|NOTE)(?:[ \t]|$)|(?:STYLE|REGION)[ \t]*$")

# No part of these patterns can match its own opening character, so a scan that fails stops at the
# next opener: linear time, whatever the text.
_TAG = (
    r"</?(?:(?:i|b|u|s|c|ruby|rt|br)(?:\.[^\s<>]*)?\s*/?|(?:font|v|lang)(?:[.\s][^<>]*)?)>"
    r"|<(?:[0-9]{2,4}:)?[0-9]{2}:[0-9]{2}\.[0-9]{3}>"
)
_OVERRIDE = r"\{\\[^{}]*\}"
_ENTITY = r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});"
_MARKUP = re.compile(f"{_TAG}|{_OVERRIDE}", re.IGNORECASE)
_REFERENCE = re.compile(_ENTITY, re.IGNORECASE)
_READ_AS_MARKUP = re.compile(f"(?={_TAG}|{_OVERRIDE}|{_ENTITY}).", re.IGNORECASE)

# Soft hyphen, zero width space, bidi marks, byte order mark and their like. Not the zero width
# joiners: Persian, Indic scripts and emoji are spelt with them.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_RUN = re.compile(r"[^\w\s\x00-\x7f]{32,}")
_BREAK = "\u200b"
"""Written where text would be read as markup: players show nothing, and the parser removes it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start` to `end`, in seconds. `text` is plain; "\\n" parts its lines."""

    start: float
    end: float
    text: str


class _Timed(NamedTuple):
    """A cue as the file has it: `number` counts from 1, times are milliseconds."""

    number: int
    start: int
    end: int
    text: str

    @property
    def name(self) -> str:
        return f"cue {self.number} (at {_clock(self.start)})"


class _Block(NamedTuple):
    """Lines with no blank one between them; `line` is the number of the first, from 1."""

    line: int
    lines: list[str]


def read_subtitles(path: Path) -> tuple[Cue, ...]:
    """Read an SRT or WebVTT file, told apart by their content.

    Raises DubfleetError: SUBTITLES_MISSING if the file cannot be opened, and whatever
    `decode_subtitles` and `parse_subtitles` raise.
    """
    try:
        if path.exists() and not path.is_file():
            raise _error(Reason.SUBTITLES_MISSING, "This is a folder or a device, not a file.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _error(
            Reason.SUBTITLES_MISSING, "There is no such file: check its name and folder."
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _error(Reason.SUBTITLES_MISSING, f"The file cannot be read: {why}.") from error
    return parse_subtitles(decode_subtitles(data))


def decode_subtitles(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark, or UTF-16 with one.

    Other encodings are not guessed: a wrong guess is read out as nonsense.
    Raises DubfleetError: SUBTITLES_ENCODING; SUBTITLES_BROKEN above MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise _error(
            Reason.SUBTITLES_BROKEN,
            f"The file is larger than {MAX_BYTES // 1_000_000} MB, which no subtitles are: "
            "check that it is the right one.",
        )
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        raise _error(
            Reason.SUBTITLES_ENCODING,
            f"Line {line} is not text in UTF-8: open the file in a text editor "
            "and save it with the encoding UTF-8.",
        ) from None
    _refuse_binary(text)
    return text


def parse_subtitles(text: str) -> tuple[Cue, ...]:
    """Read SRT, or WebVTT if it begins with WEBVTT. The cues are in order and do not overlap.

    Markup goes, line breaks within a cue stay. Cues without any text are dropped; they are blank
    placeholders. An overlap of up to MAX_OVERLAP is taken off the earlier cue.
    Raises DubfleetError: SUBTITLES_BROKEN, SUBTITLES_EMPTY, SUBTITLES_TIMING; SUBTITLES_ENCODING
    if there are NUL characters.
    """
    _refuse_binary(text)
    blocks = list(_blocks(text.replace("\ufeff", "")))
    vtt = bool(blocks) and re.match(r"WEBVTT(?:[ \t]|$)", blocks[0].lines[0]) is not None
    cues = _without_overlaps(cue for cue in _cues(blocks, vtt) if cue.text)
    if not cues:
        raise _error(
            Reason.SUBTITLES_EMPTY, "There are no subtitles in the file: check that it is complete."
        )
    return tuple(Cue(cue.start / 1000, cue.end / 1000, cue.text) for cue in cues)


def format_srt(cues: Sequence[Cue]) -> str:
    """Write SRT, times rounded to milliseconds. Cues without text are left out.

    SRT has no way to escape: where text would be taken for markup or a timing line, a zero width
    space parts it. Overlaps are written as they are.
    Raises DubfleetError: SUBTITLES_TIMING for a cue that does not end after it starts.
    """
    return "\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_srt_text(text)}\n"
        for number, (_, start, end, text) in enumerate(_writable(cues), start=1)
    )


def format_vtt(cues: Sequence[Cue], language: str | None = None) -> str:
    """Write WebVTT, times rounded to milliseconds; `language` is a BCP 47 tag for the header.

    Cues without text are left out, overlaps written as they are.
    Raises DubfleetError: SUBTITLES_TIMING for a cue that does not end after it starts.
    """
    header = "WEBVTT\n"
    if language:
        header += f"Language: {re.sub('[^A-Za-z0-9-]', '', language)}\n"
    return "\n".join(
        [header]
        + [
            f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_vtt_text(text)}\n"
            for _, start, end, text in _writable(cues)
        ]
    )


def _blocks(text: str) -> Iterator[_Block]:
    # Not splitlines(): that also splits at characters which are no line ends in SRT or WebVTT.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    block = _Block(1, [])
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line := line.strip(" \t"):
            block.lines.append(line)
        else:
            if block.lines:
                yield block
            block = _Block(number + 1, [])


def _cues(blocks: Iterable[_Block], vtt: bool) -> Iterator[_Timed]:
    last: _Timed | None = None
    for block in blocks:
        if vtt and _WITHOUT_CUE.match(block.lines[0]):
            _refuse_timing_within(block, 0)
        elif cue := _cue(block, vtt, last):
            yield cue
            last = cue


def _cue(block: _Block, vtt: bool, last: _Timed | None) -> _Timed | None:
    """Read one cue. None if there is nothing to see in the block: no cue, and no text lost."""
    at = next((n for n, line in enumerate(block.lines[:2]) if "-->" in line), None)
    # In WebVTT any line may name a cue; in SRT text above the times is text that lost its own.
    if at is None or (at == 1 and not vtt and not _visible(block.lines[0]).isdecimal()):
        if not _plain("\n".join(block.lines)):
            return None
        raise _error(
            Reason.SUBTITLES_BROKEN,
            f"The text on line {block.line} ({_after(last)}) has no timing line: "
            "give it one, or remove the empty line above it if it belongs to the cue before.",
        )
    number = last.number + 1 if last else 1
    times = _times(_visible(block.lines[at]), vtt)
    if times is None:
        raise _error(
            Reason.SUBTITLES_BROKEN,
            f"Cue {number} (line {block.line + at}, {_after(last)}) has a timing line that cannot "
            f"be read: write it like 00:01:02{'.' if vtt else ','}500 --> "
            f"00:01:04{'.' if vtt else ','}000.",
        )
    _refuse_timing_within(block, at + 1)
    return _Timed(number, *times, _plain("\n".join(block.lines[at + 1 :])))


def _times(line: str, vtt: bool) -> tuple[int, int] | None:
    found = _TIMING.fullmatch(line)
    if found is None:
        return None
    settings = (found[9] or "").split()
    # "align:start" or "X1:40"; anything else is text that would be lost on this line.
    if not all(":" in setting for setting in settings):
        return None
    if not vtt and not (found[1] and found[5]):
        return None
    return _milliseconds(*found.group(1, 2, 3, 4)), _milliseconds(*found.group(5, 6, 7, 8))


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(fraction.ljust(3, "0"))


def _refuse_timing_within(block: _Block, start: int) -> None:
    """Refuse a second timing line, even a misspelt one; an arrow between words is only text."""
    for number, line in enumerate(block.lines[start:], start=block.line + start):
        before, *after = line.split("-->")
        sides = [before.rstrip()[-1:], *(part.lstrip()[:1] for part in after)]
        if after and any(side.isdecimal() for side in sides):
            raise _error(
                Reason.SUBTITLES_BROKEN,
                f"The timing line on line {number} has other text right above it: "
                "put an empty line where the new cue begins.",
            )


def _without_overlaps(cues: Iterable[_Timed]) -> list[_Timed]:
    kept: list[_Timed] = []
    for cue in cues:
        if cue.end <= cue.start:
            raise _badly_timed(cue, "does not end after it starts: correct its times")
        if kept:
            kept[-1] = _made_way(kept[-1], cue)
        kept.append(cue)
    return kept


def _made_way(earlier: _Timed, cue: _Timed) -> _Timed:
    if cue.start < earlier.start:
        raise _badly_timed(cue, f"starts before {earlier.name}: put the cues in order of time")
    overlap = earlier.end - cue.start
    # Of two cues that start together, the earlier would be left with no time at all.
    if overlap > MAX_OVERLAP or cue.start == earlier.start:
        raise _badly_timed(
            cue, f"starts {overlap / 1000:.3f} s before {earlier.name} ends: part their times"
        )
    return earlier._replace(end=min(earlier.end, cue.start))


def _writable(cues: Sequence[Cue]) -> Iterator[_Timed]:
    for number, cue in enumerate(cues, start=1):
        # Written so that NaN is refused too.
        if not (0 <= cue.start < cue.end < _LAST_MOMENT / 1000):
            raise _error(
                Reason.SUBTITLES_TIMING,
                f"Cue {number} cannot be written from {cue.start} s to {cue.end} s: "
                "it has to start at 0 or later and end after that.",
            )
        start = round(cue.start * 1000)
        # A cue shorter than a millisecond still has to end after it starts.
        timed = _Timed(number, start, max(start + 1, round(cue.end * 1000)), _tidy(cue.text))
        if timed.text:
            yield timed


def _plain(text: str) -> str:
    """Take the markup off. Entities come second: "&lt;i>" is how a tag is shown, not used."""
    text = _MARKUP.sub(lambda found: "\n" if found[0].lower().startswith("<br") else "", text)
    return _tidy(_REFERENCE.sub(_character, text))


def _character(reference: re.Match[str]) -> str:
    # html.unescape alone would also turn the beginning of an unknown name into a character.
    name = reference[0]
    known = name[1] == "#" or name[1:] in html.entities.html5
    return html.unescape(name) if known else name


def _tidy(text: str) -> str:
    """Leave what can be seen: no control or invisible characters, no blank lines; NFC."""
    text = _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))
    # NFC takes quadratic time over a run of combining marks, and no script has runs this long.
    text = _LONG_RUN.sub(lambda run: "".join(c for c in run[0] if not _combines(c)), text)
    lines = (_CONTROL.sub(" ", line).strip() for line in text.splitlines())
    return unicodedata.normalize("NFC", "\n".join(line for line in lines if line))


def _combines(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _visible(line: str) -> str:
    return _INVISIBLE.sub("", line).strip()


def _srt_text(text: str) -> str:
    return _READ_AS_MARKUP.sub(rf"\g<0>{_BREAK}", text).replace("-->", f"--{_BREAK}>")


def _vtt_text(text: str) -> str:
    return html.escape(text, quote=False).replace("{\\", f"{{{_BREAK}\\")


def _clock(milliseconds: int, decimal: str = "") -> str:
    seconds, rest = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}{decimal}{rest:03}" if decimal else text


def _after(last: _Timed | None) -> str:
    return f"after {last.name}" if last else "before the first cue"


def _refuse_binary(text: str) -> None:
    if "\0" in text:
        raise _error(
            Reason.SUBTITLES_ENCODING,
            "The file is not plain text: save the subtitles as SRT or WebVTT in UTF-8.",
        )


def _badly_timed(cue: _Timed, what: str) -> DubfleetError:
    return _error(Reason.SUBTITLES_TIMING, f"C{cue.name[1:]} {what}.")


def _error(reason: Reason, sentence: str) -> DubfleetError:
    return DubfleetError(reason, sentence)

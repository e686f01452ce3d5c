"""Builds the sample lesson: a person reading Jane Austen, slides, music, silence, and the truth.

The reading is the public-domain LibriVox recording that Debian ships as test data, so nothing is
downloaded. What is said when is known exactly, so a dub of this lesson can be measured.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.demo import music, reading, slides
from gpu_node.demo.music import RATE, Sound
from gpu_node.demo.slides import Slide
from gpu_node.media.ffmpeg import file_url, run_ffmpeg

RECIPE = 1
"""Raise it whenever what comes out changes: lessons of another recipe are built again."""

_FRAME = 1 / 25
_ROOM_DBFS = -62.0
_SILENCE_SECONDS = 10.0
_ENCODE_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A sentence and when it can be heard, in seconds on the lesson's clock."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class SampleLesson:
    """The lesson and the truth about it. `music` is the opening stretch."""

    video: Path
    duration: float
    lines: tuple[SpokenLine, ...]
    music: tuple[float, float]
    silence: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Section:
    """A stretch of reading: clips, each with the seconds of quiet that follow it."""

    name: str
    title: str
    note: str
    clips: tuple[tuple[str, float], ...]


_SECTIONS = (
    # 0870 and 0880 are the tight place: Spanish takes longer than the English it replaces, and a
    # quarter of a second leaves it nowhere to go.
    _Section(
        "The passage",
        "A half-brother’s duty",
        "Listen first. Do not translate.",
        (("0870", 0.25), ("0880", 1.4), ("0890", 2.0), ("0920", 1.6), ("0930", 1.5)),
    ),
    _Section(
        "Once more",
        "What might have been",
        "The same sentences in another order. What changes?",
        (("0920", 1.3), ("0930", 1.9), ("0880", 1.1), ("0890", 2.0), ("0870", 1.0)),
    ),
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The whole lesson as a timetable; `clips` says which recording each of `lines` is."""

    lines: tuple[SpokenLine, ...]
    clips: tuple[str, ...]
    slides: tuple[Slide, ...]
    silence: tuple[float, float]
    coda: float
    duration: float


def build_lesson(folder: Path) -> SampleLesson:
    """Write lesson.mp4 and lesson.json into the folder, unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    video, truth = folder / "lesson.mp4", folder / "lesson.json"
    if _is_built(video, truth):
        return load_truth(truth)
    plan = _make_plan()
    with tempfile.TemporaryDirectory(prefix=".lesson-", dir=folder) as name:
        room = Path(name)
        sound = room / "sound.wav"
        soundfile.write(sound, _render_sound(plan), RATE, subtype="PCM_24")
        _encode(_write_slides(plan, room), sound, room / video.name, plan.duration)
        digest = _sha256(room / video.name)
        (room / truth.name).write_text(_to_json(plan, digest), encoding="utf-8")
        # The truth last: it vouches for the video by its hash.
        for path in (video, truth):
            (room / path.name).replace(path)
    return load_truth(truth)


def load_truth(path: Path) -> SampleLesson:
    """Read a lesson.json; its video lies next to it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return SampleLesson(
            video=path.parent / data["video"],
            duration=float(data["duration"]),
            lines=tuple(SpokenLine(**line) for line in data["lines"]),
            music=(float(data["music"][0]), float(data["music"][1])),
            silence=(float(data["silence"][0]), float(data["silence"][1])),
        )
    except FileNotFoundError as error:
        raise DubfleetError(
            Reason.INPUT_MISSING, f"There is no sample lesson at {path}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DubfleetError(
            Reason.INPUT_UNREADABLE,
            f"{path} is not a sample lesson's truth: delete it and build the lesson again.",
            detail=repr(error),
        ) from error


def main() -> None:
    """`python -m gpu_node.demo.lesson FOLDER` builds the lesson and prints where it is."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m gpu_node.demo.lesson FOLDER")
    try:
        print(build_lesson(Path(sys.argv[1])).video)
    except DubfleetError as error:
        raise SystemExit(error.sentence) from error


def _is_built(video: Path, truth: Path) -> bool:
    try:
        data = json.loads(truth.read_text(encoding="utf-8"))
        return bool(data["recipe"] == RECIPE and data["sha256"] == _sha256(video))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _to_json(plan: _Plan, digest: str) -> str:
    lines = [{"start": one.start, "end": one.end, "text": one.text} for one in plan.lines]
    data = {
        "recipe": RECIPE,
        "video": "lesson.mp4",
        "sha256": digest,
        "duration": plan.duration,
        "music": [0.0, music.THEME_SECONDS],
        "silence": plan.silence,
        "lines": lines,
    }
    return json.dumps(data, indent=2) + "\n"


# The timetable.


def _make_plan() -> _Plan:
    first, second = _SECTIONS
    deck = [
        Slide(
            0.0,
            "Listening lesson",
            "Sense and Sensibility",
            "Jane Austen, 1811. A few lines from the first chapter.",
        )
    ]
    lines, clock = _read_section(first, music.THEME_SECONDS, deck)
    silence = (_on_frame(clock), _on_frame(clock) + _SILENCE_SECONDS)
    question = "Is he an ill disposed young man?"
    deck.append(Slide(silence[0], "Think about it", question, "Take ten seconds before you go on."))
    more, clock = _read_section(second, silence[1], deck)
    coda = _on_frame(clock)
    note = "Read by LibriVox volunteers, in the public domain."
    deck.append(Slide(coda, "The end", "Thank you for listening", note))
    return _Plan(
        lines=(*lines, *more),
        clips=tuple(clip for section in _SECTIONS for clip, _ in section.clips),
        slides=tuple(deck),
        silence=silence,
        coda=coda,
        duration=_on_frame(coda + music.CODA_SECONDS + 0.4),
    )


def _read_section(
    section: _Section, start: float, deck: list[Slide]
) -> tuple[list[SpokenLine], float]:
    """Lay a section's sentences out from `start`, add its slides, say when it is over."""
    deck.append(Slide(_on_frame(start), section.name, section.title, section.note))
    lines: list[SpokenLine] = []
    clock = start + 1.6
    for number, (name, quiet) in enumerate(section.clips):
        text = reading.TEXTS[name]
        before = lines[-1].text if number else ""
        # The eye gets there a moment before the ear.
        shown = _on_frame(clock - min(0.3, 0.6 * (clock - (lines[-1].end if number else start))))
        deck.append(Slide(shown, section.name, section.title, quote=text, before=before))
        lines.append(SpokenLine(round(clock, 3), round(clock + reading.clip(name).speech, 3), text))
        clock = lines[-1].end + quiet
    return lines, clock


def _on_frame(seconds: float) -> float:
    return round(round(seconds / _FRAME) * _FRAME, 3)


# The sound.


def _render_sound(plan: _Plan) -> Sound:
    first, last = (round(at * RATE) for at in plan.silence)
    tone = music.room_tone(plan.duration, _ROOM_DBFS)
    stage = np.zeros_like(tone)
    # The room stops for the silence: nothing at all is left there, not even noise.
    for part in (slice(0, first), slice(last, None)):
        stage[part] = music.fade(tone[part], 0.05, 0.05)
    for line, name in zip(plan.lines, plan.clips, strict=True):
        clip = reading.clip(name)
        _mix(stage, clip.sound[:, None], line.start - clip.lead)
    _mix(stage, music.theme(), 0.0)
    _mix(stage, music.coda(), plan.coda)
    return stage


def _mix(stage: Sound, sound: Sound, at: float) -> None:
    first = round(at * RATE)
    stage[first : first + len(sound)] += sound


# The picture, and both together.


def _write_slides(plan: _Plan, room: Path) -> Path:
    """Draw the slides and write FFmpeg's list of them."""
    ends = [*(slide.start for slide in plan.slides[1:]), plan.duration]
    entries: list[str] = ["ffconcat version 1.0"]
    for number, (slide, end) in enumerate(zip(plan.slides, ends, strict=True), start=1):
        name = f"slide-{number:02}.png"
        picture = slides.draw(slide, number, len(plan.slides), end / plan.duration)
        picture.save(room / name, compress_level=1)
        entries += [f"file {name}", f"duration {end - slide.start:.3f}"]
    # The last duration only counts when another file follows it.
    entries.append(entries[-2])
    listing = room / "slides.ffconcat"
    listing.write_text("\n".join(entries) + "\n", encoding="utf-8")
    return listing


def _encode(listing: Path, sound: Path, video: Path, duration: float) -> None:
    """One run: bit-exact, and a fixed number of threads, because x264 writes it into the file."""
    argv = ["ffmpeg", "-f", "concat", "-i", file_url(listing), "-i", file_url(sound)]
    argv += ["-map", "0:v", "-map", "1:a", "-map_metadata", "-1", "-t", f"{duration:.3f}"]
    # Colours are converted before the stills are multiplied, and the searches x264 makes in moving
    # pictures are off: the whole lesson takes seconds.
    argv += _words(
        "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,fps=25"
        " -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv",
        "-c:v libx264 -preset veryfast -crf 20 -threads:v 2",
        "-bf 0 -refs 1 -rc-lookahead 5 -weightp 0 -me_method dia -subq 0 -trellis 0",
        "-g 50 -keyint_min 50 -sc_threshold 0",
        "-c:a aac -b:a 160k -ar 48000 -ac 2",
        "-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart",
    )
    run_ffmpeg([*argv, file_url(video)], timeout=_ENCODE_TIMEOUT)


def _words(*groups: str) -> Iterable[str]:
    return (word for group in groups for word in group.split())


if __name__ == "__main__":
    main()

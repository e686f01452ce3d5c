"""From segments and cues to utterances: what is translated, spoken and edited as one. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.timeline import (
    Segment,
    Transcript,
    TranscriptOrigin,
    Utterance,
    Utterances,
    Word,
)
from gpu_node.engines.spoken import is_speech
from gpu_node.media.subtitles import Cue

_BLANKS = re.compile(r"[ \t\r\n]+")
_JOIN_GAP = 0.45
_JOINED_AT_MOST = 9.0
_FRAGMENT = 1.2
_LONGEST = 12.0
"""Seconds. Longer lines lose their anchors and overrun what a synthesizer speaks well."""
_LEAST_WORD_GAP = 0.1
_SENTENCE_ENDS = (".", "!", "?", "…", ".”", '."', "。", "！", "？")


@dataclass(frozen=True, slots=True)
class Piece:
    """An utterance before it has an id."""

    start: float
    end: float
    text: str
    provided: str | None = None


def build(transcript: Transcript, target_cues: Sequence[Cue] | None, duration: float) -> Utterances:
    """All utterances of a lesson of `duration` seconds, with their permanent ids.

    Raises DubfleetError: SUBTITLES_TIMING, SUBTITLES_EMPTY.
    """
    if target_cues is not None:
        pieces = list(paired(transcript, target_cues))
    elif transcript.origin is TranscriptOrigin.RECOGNISED:
        pieces = from_recognition(transcript.segments)
    else:
        pieces = joined_sentences(transcript.segments)
    spoken = [p for p in pieces if is_speech(p.text) or is_speech(p.provided or "")]
    if not spoken:
        raise DubfleetError(
            Reason.SUBTITLES_EMPTY,
            "The subtitles hold nothing that is spoken: give those that say what is said.",
        )
    inside = list(_within(spoken, duration))
    return Utterances(
        language=transcript.language,
        items=tuple(
            Utterance(id=f"u{n:04d}", start=p.start, end=p.end, text=p.text, provided=p.provided)
            for n, p in enumerate(inside, start=1)
        ),
    )


def from_recognition(segments: Sequence[Segment]) -> list[Piece]:
    """Stretches of speech become lines: near ones joined, long ones split at a pause."""
    groups: list[list[Word]] = []
    bounds: list[tuple[float, float]] = []
    for segment in segments:
        if bounds and _belong_together(bounds[-1], (segment.start, segment.end)):
            groups[-1].extend(segment.words)
            bounds[-1] = (bounds[-1][0], segment.end)
        else:
            groups.append(list(segment.words))
            bounds.append((segment.start, segment.end))
    return [
        piece
        for words, (start, end) in zip(groups, bounds, strict=True)
        for piece in _split(words, start, end)
    ]


def one_line(text: str) -> str:
    """Without line breaks and doubled spaces; no-break spaces stay where a typographer set them."""
    return _BLANKS.sub(" ", text).strip()


def _belong_together(before: tuple[float, float], after: tuple[float, float]) -> bool:
    """A fragment goes with its neighbour; two phrases stay apart, for each is an anchor."""
    shorter = min(before[1] - before[0], after[1] - after[0])
    return (
        shorter < _FRAGMENT
        and after[0] - before[1] < _JOIN_GAP
        and after[1] - before[0] <= _JOINED_AT_MOST
    )


def _split(words: list[Word], start: float, end: float) -> Iterator[Piece]:
    cut = _widest_gap(words) if end - start > _LONGEST else None
    if cut is None:
        yield Piece(start, end, sentence_case(" ".join(word.text for word in words)))
        return
    yield from _split(words[:cut], start, words[cut - 1].end)
    yield from _split(words[cut:], words[cut].start, end)


def _widest_gap(words: Sequence[Word]) -> int | None:
    """Where to cut: before the word that follows the widest pause, away from the edges if equal."""
    gaps = [
        (words[i].start - words[i - 1].end, min(i, len(words) - i), i) for i in range(1, len(words))
    ]
    if not gaps or max(gaps)[0] < _LEAST_WORD_GAP:
        return None
    return max(gaps)[2]


def sentence_case(text: str) -> str:
    """A recogniser's bare words as a sentence: a capital, "I" as people write it, a full stop."""
    words = [w[0].upper() + w[1:] if w == "i" or w.startswith("i'") else w for w in text.split()]
    if not words:
        return ""
    words[0] = words[0][0].upper() + words[0][1:]
    return " ".join(words) + "."


def joined_sentences(segments: Sequence[Segment]) -> list[Piece]:
    """Subtitle cues become lines; cues that go on with a sentence are joined to it."""
    pieces: list[Piece] = []
    for segment in segments:
        text = segment.text.strip()
        last = pieces[-1] if pieces else None
        goes_on = (
            last is not None
            and not last.text.endswith(_SENTENCE_ENDS)
            and segment.start - last.end < _JOIN_GAP
            and segment.end - last.start <= _JOINED_AT_MOST
            and is_speech(last.text)
            and is_speech(text)
        )
        if last is not None and goes_on:
            pieces[-1] = replace(last, end=segment.end, text=one_line(f"{last.text} {text}"))
        else:
            pieces.append(Piece(segment.start, segment.end, text))
    return pieces


def paired(transcript: Transcript, target_cues: Sequence[Cue]) -> Iterator[Piece]:
    """One line per target cue, with the source words heard during it.

    A source cue that no target cue overlaps becomes a line without a translation: it is reported,
    never dropped.
    """
    texts: list[list[Piece]] = [[] for _ in target_cues]
    orphans: list[Piece] = []
    starts = [cue.start for cue in target_cues]
    for source in _source_pieces(transcript):
        best = _most_shared(source, target_cues, starts)
        if best is None:
            orphans.append(source)
        else:
            texts[best].append(source)
    pieces = [
        Piece(cue.start, cue.end, _together(said), cue.text)
        for cue, said in zip(target_cues, texts, strict=True)
    ]
    yield from sorted([*pieces, *_runs(orphans)], key=lambda p: p.start)


def _together(pieces: Sequence[Piece]) -> str:
    """One piece keeps its line breaks; several become one line."""
    if len(pieces) == 1:
        return pieces[0].text
    return one_line(" ".join(piece.text for piece in pieces))


def _source_pieces(transcript: Transcript) -> list[Piece]:
    if transcript.origin is not TranscriptOrigin.RECOGNISED:
        return [Piece(s.start, s.end, s.text.strip()) for s in transcript.segments]
    # Word by word: a recogniser's stretches know nothing of the partner's cues.
    return [Piece(w.start, w.end, w.text) for s in transcript.segments for w in s.words]


def _most_shared(source: Piece, cues: Sequence[Cue], starts: Sequence[float]) -> int | None:
    """The cue that a source piece shares most time with. Cues are in order and do not overlap."""
    first = max(0, bisect_right(starts, source.start) - 1)
    best, most = None, 0.0
    for index in range(first, len(cues)):
        cue = cues[index]
        if cue.start >= source.end:
            break
        shared = min(source.end, cue.end) - max(source.start, cue.start)
        if shared > most:
            best, most = index, shared
    return best


def _runs(orphans: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbouring orphans as one line each run."""
    run: Piece | None = None
    for piece in orphans:
        if run is not None and piece.start - run.end < _JOIN_GAP:
            run = replace(run, end=piece.end, text=f"{run.text} {piece.text}")
            continue
        if run is not None:
            yield run
        run = piece
    if run is not None:
        yield run


def _within(pieces: Sequence[Piece], duration: float) -> Iterator[Piece]:
    """Clip to the lesson and to each other."""
    for index, piece in enumerate(pieces):
        if piece.start >= duration:
            raise DubfleetError(
                Reason.SUBTITLES_TIMING,
                f"The subtitles go on at {clock(piece.start)}, but the lesson ends at "
                f"{clock(duration)}: check that they belong to this lesson.",
            )
        following = pieces[index + 1].start if index + 1 < len(pieces) else duration
        yield replace(piece, end=min(piece.end, duration, following))


def clock(seconds: float) -> str:
    """Seconds as people write them: 00:01:02."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"

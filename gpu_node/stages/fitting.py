"""The timing of the dub: the solver's answer as placements and blockers; lines stretched."""

from __future__ import annotations

import numpy as np

from gpu_node.contracts.dub import StretchedLine
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.media import ExtractedAudio
from gpu_node.contracts.timeline import Blocker, Fit, Placement, SpokenLine, Utterances
from gpu_node.graph import ItemFailure, Outcomes, StageContext
from gpu_node.media import ffmpeg, wav
from gpu_node.timing import fit as solver

_STRETCH_TIMEOUT = 120.0
_AUDIBLE_SECONDS = 0.05


def place(utterances: Utterances, spoken: Outcomes[SpokenLine], audio: ExtractedAudio) -> Fit:
    """Every utterance placed, or blocked with the reason: none is lost in between."""
    lines = [
        solver.Line(u.id, u.start, spoken.values[u.id].duration - spoken.values[u.id].lead)
        for u in utterances.items
        if u.id in spoken.values
    ]
    timing = solver.fit(lines, audio.duration)
    onsets = {u.id: u.start for u in utterances.items}
    unplaced = {line.id: line for line in timing.unplaced}
    placements = tuple(
        _placement(placed, spoken.values[placed.id], onsets[placed.id]) for placed in timing.placed
    )
    blockers = tuple(
        _blocker(u.id, u.start, u.end, spoken.failures.get(u.id), unplaced.get(u.id))
        for u in utterances.items
        if u.id in spoken.failures or u.id in unplaced
    )
    return Fit(items=placements, blockers=blockers)


def _placement(placed: solver.Placed, line: SpokenLine, onset: float) -> Placement:
    return Placement(
        id=line.id,
        audio=line.audio,
        start=placed.start,
        rate=placed.rate,
        duration=line.duration,
        lead=line.lead,
        lateness=max(0.0, placed.start - onset),
    )


def _blocker(
    key: str,
    start: float,
    end: float,
    failure: ItemFailure | None,
    unplaced: solver.Unplaced | None,
) -> Blocker:
    if failure is not None:
        reason, sentence = failure.reason, failure.sentence
    else:
        reason = Reason.DOES_NOT_FIT
        sentence = _no_room(unplaced.missing if unplaced else 0.0)
    return Blocker(id=key, start=start, end=end, reason=reason, sentence=sentence)


def _no_room(missing: float) -> str:
    """`missing` seconds, at the fastest rate; 0 when the line would fit its own place."""
    if missing < _AUDIBLE_SECONDS:
        return (
            "A long line beside it takes up its place: shorten that one, or keep the original here."
        )
    return (
        f"The translation is about {missing:.1f} s too long for its place even when spoken 25 % "
        "faster: shorten it."
    )


def stretch(ctx: StageContext, item: Placement) -> StretchedLine:
    """Speed a line up, pitch kept, to exactly the samples its placement says."""
    if item.rate == 1.0:
        return StretchedLine(id=item.id, audio=item.audio, file_start=item.file_start)
    raw, exact = ctx.new_file("raw.wav"), ctx.new_file("line.wav")
    graph = ffmpeg.open_input(ctx.path(item.audio)).audio.filter("atempo", f"{item.rate:.6f}")
    output = graph.output(
        ffmpeg.file_url(raw), acodec="pcm_s16le", format="wav", fflags="+bitexact"
    )
    ffmpeg.run_graph(output, timeout=_STRETCH_TIMEOUT, stop=ctx.stop)
    samples = wav.span(raw, 0, item.duration)[:, 0]
    # atempo is right to a millisecond or so; what is cut or added here lies in the quiet tail.
    wanted = round(item.duration / item.rate * wav.SAMPLE_RATE)
    wav.write(exact, np.pad(samples[:wanted], (0, max(0, wanted - len(samples)))))
    return StretchedLine(id=item.id, audio=ctx.keep(exact), file_start=item.file_start)

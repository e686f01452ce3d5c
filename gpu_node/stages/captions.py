"""Subtitles of a dub in both languages. What is shown follows what is heard."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from gpu_node.contracts.base import InLanguage
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.dub import SubtitleFiles
from gpu_node.contracts.timeline import Fit, Translation, Utterances
from gpu_node.graph import Outcomes, StageContext
from gpu_node.media.subtitles import Cue, format_srt, format_vtt

_LINE_CHARACTERS = 42
_LINES = 2
"""Two lines of 42 characters are the usual bound of subtitle guides (Netflix, EBU)."""


def caption(
    ctx: StageContext,
    settings: InLanguage,
    utterances: Utterances,
    translated: Outcomes[Translation],
    fit: Fit,
) -> SubtitleFiles:
    """SRT for the video, WebVTT for players beside it.

    A line that was translated but is not in the dub keeps its subtitle, at the speaker's time.
    """
    source = [cue for u in utterances.items if u.text for cue in cues_for(u.start, u.end, u.text)]
    placed = {p.id: p for p in fit.items}
    spans = []
    for u in utterances.items:
        if u.id in translated.values:
            start, end = u.start, u.end
            if u.id in placed:
                start, end = placed[u.id].start, max(placed[u.id].end, u.end)
            spans.append((start, end, translated.values[u.id].text))
    target = [cue for span in _apart(spans) for cue in cues_for(*span)]
    return SubtitleFiles(
        source_srt=_keep(ctx, "source.srt", format_srt(source)) if source else None,
        source_vtt=_keep(ctx, "source.vtt", format_vtt(source, utterances.language))
        if source
        else None,
        target_srt=_keep(ctx, "target.srt", format_srt(target)),
        target_vtt=_keep(ctx, "target.vtt", format_vtt(target, settings.language)),
    )


def cues_for(start: float, end: float, text: str) -> Iterator[Cue]:
    """One cue, or several in a row when the text is more than a screen can hold.

    Line breaks that somebody has set are kept if they fit. Time is shared out by characters.
    """
    given = [line.strip() for line in text.splitlines() if line.strip()]
    if len(given) <= _LINES and all(len(line) <= _LINE_CHARACTERS for line in given):
        screens = [given]
    else:
        lines = _balanced(" ".join(given))
        screens = [lines[i : i + _LINES] for i in range(0, len(lines), _LINES)]
    total = sum(len(line) for screen in screens for line in screen) or 1
    at, shown = start, 0
    for screen in screens:
        shown += sum(len(line) for line in screen)
        until = start + (end - start) * shown / total
        yield Cue(at, until, "\n".join(screen))
        at = until


def _balanced(text: str) -> list[str]:
    """Lines of about equal length, none over the bound, and no more of them than needed."""
    lines = textwrap.wrap(text, _LINE_CHARACTERS)
    for width in range(max(1, len(text) // max(1, len(lines))), _LINE_CHARACTERS):
        narrower = textwrap.wrap(text, width)
        if len(narrower) <= len(lines):
            return narrower
    return lines


def _apart(spans: Iterable[tuple[float, float, str]]) -> Iterator[tuple[float, float, str]]:
    """End each span where the next begins, should it run on."""
    ordered = sorted(spans)
    for index, (start, end, text) in enumerate(ordered):
        following = ordered[index + 1][0] if index + 1 < len(ordered) else end
        yield start, min(end, following), text


def _keep(ctx: StageContext, name: str, content: str) -> Blob:
    path = ctx.new_file(name)
    path.write_text(content, encoding="utf-8")
    return ctx.keep(path)

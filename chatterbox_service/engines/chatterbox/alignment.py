"""Where in its text each line is, and whether it has lost its way: upstream's rules, for a batch.

Upstream's multilingual model is kept from babbling by watching three attention heads that follow
the text: it may not stop before the text's last tokens, and has to once it lingers on them, goes
back, or says one token twice running. Ports that left this out report spotty quality. The rules are
upstream's (`AlignmentStreamAnalyzer`, 0.1.7), its thresholds too; the means are ours: the three
heads' weights are worked out on the side from the last query and the cached keys, so that no hook
is hung on a layer and attention stays fast. The state is a few numbers a line, never a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chatterbox_service.engines.chatterbox.backbone import Watch
from chatterbox_service.engines.chatterbox.cache import Rows
from chatterbox_service.engines.chatterbox.facts import ALIGNED_HEADS

_LAST = 3
"""Text tokens that count as its end: the stop token, and often a full stop before it."""
_BACK = 5
"""Looking at anything before this many of the last tokens, after the end, is a repetition."""
_JUMPS = (-4, 7)
"""A step of the text's place outside these is noise, and not believed."""
_LINGERING = 5.0
_REPEATING = 5.0
_NEVER = -(2.0**15)
_ALWAYS = 2.0**15
_SHORT = 5
"""Texts of so few tokens may end at any time."""


class Watcher:
    """Collects, pass by pass, how much each line's last query looks at each of its text tokens."""

    def __init__(self, columns: torch.Tensor, scale: float) -> None:
        """columns: (lines, text), where each line's text tokens lie in the cache."""
        self._columns = columns
        self._scale = scale
        self._heads = dict(ALIGNED_HEADS)
        self._seen: dict[int, list[torch.Tensor]] = {}
        self.visible = torch.zeros(0)
        """The cache's: which columns a row may look at, (rows, 1, 1, columns)."""

    def of(self, rows: Rows) -> Watch:
        """To be shown a pass over these rows; the first of all rows are the lines, in order."""
        lines = Rows(rows.first, min(rows.last, len(self._columns)))
        count = lines.last - lines.first

        def watch(layer: int, queries: torch.Tensor, keys: torch.Tensor) -> None:
            head = self._heads.get(layer)
            if head is None or count <= 0:
                return
            query, key = queries[:count, head], keys[:count, head]
            scores = torch.einsum("ld,lcd->lc", query, key).float() * self._scale
            visible = self.visible[lines.first : lines.last, 0, 0, : scores.shape[1]]
            weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
            looked = weights.gather(1, self._columns[lines.first : lines.last])
            self._seen.setdefault(layer, []).append(looked)

        return watch

    def taken(self) -> torch.Tensor:
        """The mean of the heads, (lines, text); what was seen is forgotten."""
        heads = [torch.cat(parts) for parts in self._seen.values()]
        self._seen.clear()
        return torch.stack(heads).mean(0)

    def keep(self, lines: torch.Tensor) -> None:
        self._columns = self._columns[lines]


class Alignment:
    """The state of each line: one entry in each tensor."""

    def __init__(self, text_lengths: Sequence[int], stop_token: int, device: torch.device) -> None:
        self._lengths = torch.tensor(text_lengths, device=device)
        self._stop = stop_token
        self._place = torch.zeros_like(self._lengths)
        self._complete = torch.zeros_like(self._lengths, dtype=torch.bool)
        self._tail = torch.zeros(len(text_lengths), _LAST, device=device)
        self._back = torch.zeros(len(text_lengths), device=device)

    def checked(
        self, logits: torch.Tensor, looked: torch.Tensor, step: int, twice: torch.Tensor
    ) -> torch.Tensor:
        """Logits (lines, vocabulary) with the stop token forbidden or forced where it has to be.

        `looked`: (lines, text), how much each text token was looked at; `step`: tokens said so far;
        `twice`: (lines,), whether the last two of them are the same.
        """
        ends = self._lengths[:, None]
        text = torch.arange(looked.shape[1], device=looked.device)[None]
        # Nobody can be further in the text than in the sound.
        looked = looked.masked_fill((text > step) | (text >= ends), 0.0)
        here = looked.argmax(-1)
        jump = here - self._place
        believed = (jump > _JUMPS[0]) & (jump < _JUMPS[1])
        self._place = torch.where(believed, here, self._place)

        # Only what comes after the end was reached counts: hence before `_complete` is renewed.
        last = (ends - _LAST + torch.arange(_LAST, device=looked.device)).clamp(min=0)
        after = self._complete[:, None]
        self._tail += torch.where(after, looked.gather(1, last), 0.0)
        before_end = looked.masked_fill(text >= ends - _BACK, 0.0).amax(-1)
        self._back += torch.where(self._complete, before_end, 0.0)
        self._complete = self._complete | (self._place >= self._lengths - _LAST)

        early = (here < self._lengths - _LAST) & (self._lengths > _SHORT)
        lingers = self._complete & (self._tail.amax(-1) >= _LINGERING)
        repeats = self._complete & (self._back > _REPEATING)
        lost = lingers | repeats | twice
        logits = logits.clone()
        logits[:, self._stop] = torch.where(early, _NEVER, logits[:, self._stop])
        forced = torch.full_like(logits, _NEVER)
        forced[:, self._stop] = _ALWAYS
        return torch.where(lost[:, None], forced, logits)

    def keep(self, lines: torch.Tensor) -> None:
        self._lengths = self._lengths[lines]
        self._place = self._place[lines]
        self._complete = self._complete[lines]
        self._tail = self._tail[lines]
        self._back = self._back[lines]

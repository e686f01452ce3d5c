"""Text to speech tokens, for many lines at once.

Each line keeps its own text, voice, guidance, temperature, dice and bound; what it says does not
depend on its neighbours, as far as floating point allows. A line with guidance takes two rows of
the batch, one without it a single row (upstream always computes two). Every few steps the lines
that are done leave the batch and cost nothing from then on, and `stop` is asked.

Runaways are stopped as upstream stops them, see `alignment`, and by the line's own bound: a line
that reaches it is reported as not ended, never cut. The English models have no aligned heads;
there, as upstream, only the bound helps, and the check by a recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from chatterbox_service.engines.chatterbox.alignment import Alignment, Watcher
from chatterbox_service.engines.chatterbox.cache import KeyValueCache, Rows, spans
from chatterbox_service.engines.chatterbox.prompts import Prompt
from chatterbox_service.engines.chatterbox.sampling import chances, drawn, draws
from chatterbox_service.engines.chatterbox.t3_model import T3Model

LOOK_EVERY = 8
"""Steps between two looks at what is done: each look makes the processor wait for the GPU."""
_PREFILL_POSITIONS = 8192
"""Prompt positions that go through the model at once: bounds the feed-forward's memory."""
_WORTH = 7 / 8
"""Closing up copies the cache: only once this share of the rows, or less, is left."""

Listener = Callable[[int, Sequence[int], torch.Tensor], None]
"""Is told the step, the lines still there, and their logits before any penalty."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One line."""

    prompt: Prompt
    seed: int
    most_tokens: int
    temperature: float = 0.8
    cfg_weight: float = 0.0
    """0: no guidance; anything else needs `prompt.unguided`."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of it."""

    tokens: tuple[int, ...]
    """Without the stop token."""
    ended: bool
    """By itself. If not, it ran into its bound, or was stopped."""


def speak(
    model: T3Model,
    lines: Sequence[Asked],
    stop: Callable[[], bool] = lambda: False,
    *,
    forced: torch.Tensor | None = None,
    listen: Listener | None = None,
) -> list[Said]:
    """One Said per line, in order. `forced`, (lines, steps), replaces what would be drawn."""
    with torch.inference_mode():
        return _Speaking(model, lines, forced, listen).run(stop)


class _Speaking:
    """One batch on its way. Tensors have a row for each line that still speaks.

    The cache has a row for each of them too, and then one for each that is guided.
    """

    def __init__(
        self,
        model: T3Model,
        lines: Sequence[Asked],
        forced: torch.Tensor | None,
        listen: Listener | None,
    ) -> None:
        self._model, self._listen, self._device = model, listen, model.device
        self._lines = lines
        self._active = list(range(len(lines)))
        self._guided = [at for at, line in enumerate(lines) if line.cfg_weight]
        self._most = max(line.most_tokens for line in lines)
        self._prompts = _prompts(lines, self._guided)
        self._width = max(len(prompt) for prompt in self._prompts)
        self._pads = self._whole([self._width - len(prompt) for prompt in self._prompts])
        # The last token is never looked back at: no column for it.
        self._cache = KeyValueCache(
            model.backbone.shape,
            len(self._prompts),
            self._width + self._most - 1,
            model.dtype,
            model.device,
        )
        self._weights = self._real([lines[at].cfg_weight for at in self._guided])
        self._temperature = self._real([line.temperature for line in lines])
        self._bounds = self._whole([line.most_tokens for line in lines])
        self._dice = draws([line.seed for line in lines], self._most).to(self._device)
        self._forced = None if forced is None else forced.to(self._device)
        self._out = torch.zeros(len(lines), self._most, dtype=torch.long, device=self._device)
        self._rows = self._whole(self._active)
        self._guided_rows = self._whole(self._guided)
        self._done = torch.zeros(len(lines), dtype=torch.bool, device=self._device)
        self._said: torch.Tensor | None = None
        self._alignment: Alignment | None = None
        self._watcher: Watcher | None = None
        if model.aligned:
            self._align()

    def run(self, stop: Callable[[], bool]) -> list[Said]:
        states = self._prefilled()
        for step in range(self._most):
            tokens = self._next(states, step)
            self._out[self._rows, step] = tokens
            self._done |= (tokens == self._model.stop_token) | (step + 1 >= self._bounds)
            if step + 1 == self._most:
                break
            if (step + 1) % LOOK_EVERY == 0:
                done = self._done.tolist()
                if all(done):
                    break
                if stop():
                    return [Said((), ended=False)] * len(self._lines)
                self._close_up(done)
            states = self._advanced(self._out[self._rows, step], step + 1)
        return [
            _said(row[: line.most_tokens], self._model.stop_token)
            for row, line in zip(self._out.tolist(), self._lines, strict=True)
        ]

    def _prefilled(self) -> torch.Tensor:
        """Every row's prompt, some rows at a time; returns their last states (rows, width)."""
        self._cache.visible[..., : self._width] = (
            torch.arange(self._width, device=self._device) >= self._pads[:, None]
        )[:, None, None]
        if self._watcher is not None:
            self._watcher.visible = self._cache.visible
        states = [
            self._prompted(rows)
            for rows in spans(len(self._prompts), _PREFILL_POSITIONS // self._width)
        ]
        return torch.cat(states)

    def _prompted(self, rows: Rows) -> torch.Tensor:
        """Pads on the left; what lies there is looked at by nobody but itself."""
        width, some = self._width, self._prompts[rows.first : rows.last]
        x = torch.zeros(
            len(some), width, some[0].shape[1], dtype=some[0].dtype, device=self._device
        )
        for row, prompt in enumerate(some):
            x[row, width - len(prompt) :] = prompt
        places = torch.arange(width, device=self._device)
        positions = (places - self._pads[rows.first : rows.last, None]).clamp(min=0)
        span = self._cache.span(width)
        visible = self._cache.visible[rows.first : rows.last, ..., :span]
        columns = torch.arange(span, device=self._device)
        mask = (visible & (columns <= places[:, None])) | (columns == places[:, None])
        watch = None if self._watcher is None else self._watcher.of(rows)
        return self._model.backbone.forward(x, positions, self._cache, rows, 0, mask, watch)

    def _advanced(self, tokens: torch.Tensor, said: int) -> torch.Tensor:
        """The states (rows, width) after `tokens`, of which there have been `said`."""
        column = self._width + said - 1
        rows = Rows(0, self._cache.rows)
        self._cache.visible[..., column] = True
        each = self._model.next_embeddings(tokens, said)
        x = torch.cat((each, each[self._guided_rows]))[:, None]
        mask = self._cache.visible[..., : self._cache.span(column + 1)]
        watch = None if self._watcher is None else self._watcher.of(rows)
        positions = (column - self._pads)[:, None]
        return self._model.backbone.forward(x, positions, self._cache, rows, column, mask, watch)

    def _next(self, states: torch.Tensor, step: int) -> torch.Tensor:
        every = self._model.logits(states)
        lines = len(self._active)
        logits = every[:lines].clone()
        toward = every[self._guided_rows]
        logits[self._guided_rows] = toward + self._weights[:, None] * (toward - every[lines:])
        if self._alignment is not None and self._watcher is not None:
            looked = self._watcher.taken()
            logits = self._alignment.checked(logits, looked, step, self._twice(step))
        if self._listen is not None:
            self._listen(step, tuple(self._active), logits)
        likely = chances(logits, self._marks(logits, step), self._temperature, self._model.rules)
        tokens = drawn(likely, self._dice[self._rows, step])
        if self._forced is not None:
            tokens = self._forced[self._rows, step]
        self._marks(logits, step)[torch.arange(lines, device=self._device), tokens] = True
        return tokens

    def _marks(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """What each line has said: the start token counts, for turbo only the first time."""
        if self._said is None:
            self._said = torch.zeros_like(logits, dtype=torch.bool)
            self._said[:, self._model.start_token] = True
        elif step == 1 and self._model.rules.penalty_last:
            said_it = self._out[self._rows, 0] == self._model.start_token
            self._said[:, self._model.start_token] = said_it
        return self._said

    def _twice(self, step: int) -> torch.Tensor:
        if step < 2:
            return torch.zeros_like(self._done)
        return self._out[self._rows, step - 1] == self._out[self._rows, step - 2]

    def _align(self) -> None:
        texts = [line.prompt.text_length for line in self._lines]
        firsts = [self._width - len(line.prompt) + line.prompt.text_at for line in self._lines]
        # Past a shorter text's end lies something else: `Alignment` knows the lengths.
        columns = self._whole(firsts)[:, None] + torch.arange(max(texts), device=self._device)
        scale = self._model.backbone.shape.head_dim**-0.5
        self._watcher = Watcher(columns.clamp(max=self._width - 1), scale)
        self._alignment = Alignment(texts, self._model.stop_token, self._device)

    def _close_up(self, done: Sequence[bool]) -> None:
        """Let the lines that are done go, where that is worth the copying."""
        stay = [at for at, over in enumerate(done) if not over]
        guided = [row for row, at in enumerate(self._guided) if not done[at]]
        if len(stay) + len(guided) > _WORTH * self._cache.rows:
            return
        lines, among = self._whole(stay), self._whole(guided)
        rows = torch.cat((lines, among + len(self._active)))
        self._cache.keep(rows)
        self._pads = self._pads[rows]
        new_place = {at: place for place, at in enumerate(stay)}
        self._guided = [new_place[self._guided[row]] for row in guided]
        self._guided_rows = self._whole(self._guided)
        self._weights = self._weights[among]
        self._active = [self._active[at] for at in stay]
        self._rows = self._rows[lines]
        self._temperature = self._temperature[lines]
        self._bounds, self._done = self._bounds[lines], self._done[lines]
        if self._said is not None:
            self._said = self._said[lines]
        if self._alignment is not None and self._watcher is not None:
            self._alignment.keep(lines)
            self._watcher.keep(lines)
            self._watcher.visible = self._cache.visible

    def _whole(self, values: Sequence[int]) -> torch.Tensor:
        return torch.tensor(values, device=self._device, dtype=torch.long)

    def _real(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, device=self._device, dtype=torch.float32)


def _prompts(lines: Sequence[Asked], guided: Sequence[int]) -> list[torch.Tensor]:
    prompts = [line.prompt.embeddings for line in lines]
    for at in guided:
        unguided = lines[at].prompt.unguided
        if unguided is None:
            raise ValueError("a line with guidance needs a prompt whose text is blanked")
        prompts.append(unguided)
    return prompts


def _said(row: list[int], stop_token: int) -> Said:
    if stop_token in row:
        return Said(tuple(row[: row.index(stop_token)]), ended=True)
    return Said(tuple(row), ended=False)

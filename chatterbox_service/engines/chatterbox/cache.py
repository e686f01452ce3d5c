"""The keys and values of a whole batch, in memory that is claimed once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from chatterbox_service.engines.chatterbox.facts import Shape

_ALIGNED = 8
"""The attention kernels want a mask whose rows are a multiple of this; else they copy it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A run of the batch's rows."""

    first: int
    last: int
    """One past."""


def spans(total: int, each: int) -> list[Rows]:
    """All rows, at most `each` at a time."""
    edges = [*range(0, total, max(1, each)), total]
    return [Rows(first, last) for first, last in pairwise(edges) if last > first]


class KeyValueCache:
    """Per layer two tensors of shape (rows, heads, columns, head_dim).

    Prompts are padded on the left, so that all rows write the same column; `visible`, of shape
    (rows, 1, 1, columns), says which columns a row may look at. Rows that are done are closed up
    in place: nothing is claimed anew, and nothing given back before the end.
    """

    def __init__(
        self, shape: Shape, rows: int, columns: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.rows = rows
        self.columns = -(-columns // _ALIGNED) * _ALIGNED
        size = (rows, shape.heads, self.columns, shape.head_dim)
        # Zeros: what has never been written is masked, but not-a-number would come through a mask.
        self._keys = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self._values = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.visible = torch.zeros((rows, 1, 1, self.columns), dtype=torch.bool, device=device)

    def span(self, used: int) -> int:
        """Columns that attention has to look at when `used` of them are written."""
        return min(self.columns, -(-used // _ALIGNED) * _ALIGNED)

    def write(
        self, layer: int, rows: Rows, column: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write from `column` on; returns all keys and values up to there, rounded up."""
        end = column + keys.shape[2]
        both = []
        for store, new in ((self._keys[layer], keys), (self._values[layer], values)):
            part = store[rows.first : rows.last]
            part[:, :, column:end] = new
            both.append(part[:, :, : self.span(end)])
        return both[0], both[1]

    def keep(self, rows: torch.Tensor) -> None:
        """Only these rows, by ascending number, stay."""
        self.rows = len(rows)
        for stores in (self._keys, self._values):
            for layer, store in enumerate(stores):
                # Indexing copies one layer's rows first: reading and writing may overlap.
                store[: self.rows] = store[rows]
                stores[layer] = store[: self.rows]
        self.visible = self.visible[rows]

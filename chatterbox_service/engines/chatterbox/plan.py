"""How many bytes things take, and who goes together. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from chatterbox_service.engines.chatterbox.facts import Shape

_FLOAT = 4

_ENCODER_HEADS = 8
_ENCODER_SQUARES = 10
"""Matrices of one position against another that the encoder's relative attention has in hand at
its fullest: scores, the relative ones twice as wide, shifted, masked, and their softmax."""
_FLOW_FLOATS = 2 * 6_000
"""Numbers per position in the decoder: input, hidden, skip and feed-forward, for both halves."""
_VOCODER_FLOATS = 120 * 64 * 8 + 480 * 9 * 6
"""Numbers per mel frame: eight tensors at the last stage, and the source's harmonics."""


_PADDING = 1.5


def cache_bytes(shape: Shape, rows: int, columns: int, element: int) -> int:
    """Keys and values of all layers."""
    return 2 * shape.layers * shape.heads * shape.head_dim * rows * columns * element


def line_bytes(shape: Shape, element: int, *, prompt: int, most_tokens: int, guided: bool) -> int:
    """What one line takes of the cache at most: up to its bound, with its guidance.

    Every line of a batch is padded to the longest prompt and the furthest bound, so a batch takes
    its number of lines times the largest of these, at most, where the longest prompt and the
    furthest bound are one line's; `batch_bytes` is exact.
    """
    # Attention wants a multiple of eight.
    columns = math.ceil((prompt + most_tokens) / 8) * 8
    return cache_bytes(shape, 2 if guided else 1, columns, element)


def encoder_bytes(positions: int) -> int:
    """Of one line in S3Gen's encoder: grows with the square of its length."""
    return _ENCODER_HEADS * _ENCODER_SQUARES * _FLOAT * positions * positions


def flow_bytes(positions: int) -> int:
    """Of one line in the flow's decoder."""
    return _FLOW_FLOATS * _FLOAT * positions


def vocoder_bytes(frames: int) -> int:
    """Of one line in the vocoder."""
    return _VOCODER_FLOATS * _FLOAT * frames


def groups(lengths: Sequence[int], cost: Callable[[int], int], budget: int) -> list[list[int]]:
    """Places of `lengths`, shortest first, in groups padded to their longest that fit the budget.

    A line that fits into no group goes alone: it has to be spoken somehow. Nobody is padded to
    more than half as much again: that would be computing for nothing.
    """
    made: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if (
            made
            and (len(made[-1]) + 1) * cost(lengths[at]) <= budget
            and lengths[at] <= _PADDING * lengths[made[-1][0]]
        ):
            made[-1].append(at)
        else:
            made.append([at])
    return made


def fitting(
    lines: Sequence[tuple[int, int]], cost: Callable[[int, int], int], budget: int
) -> list[list[int]]:
    """Places of `lines` (text tokens, bound) in batches that fit, padded to their largest of each.

    One batch where all fit, as whoever asked has planned it; the longest go last.
    """
    made: list[list[int]] = []
    text = most = 0
    for at in sorted(range(len(lines)), key=lambda place: (lines[place][1], lines[place][0])):
        wider = max(text, lines[at][0]), max(most, lines[at][1])
        if made and (len(made[-1]) + 1) * cost(*wider) <= budget:
            made[-1].append(at)
            text, most = wider
        else:
            made.append([at])
            text, most = lines[at]
    return made

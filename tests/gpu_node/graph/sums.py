"""The simplest contracts and stage function."""

from __future__ import annotations

from gpu_node.contracts.base import Contract


class Number(Contract):
    value: int


class Scale(Contract):
    factor: int = 2


def double(number: Number) -> Number:
    return Number(value=2 * number.value)

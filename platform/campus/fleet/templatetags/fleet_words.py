"""Codes as words, and numbers as SVG wants them."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def words(code: str) -> str:
    """`gate_draining` as "gate draining"."""
    return str(code).replace("_", " ")


@register.filter
def plain(number: float) -> str:
    """A number with a point, whatever the reader's language."""
    return f"{number:g}"

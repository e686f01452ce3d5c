"""Draws the lesson's slides: still pictures, because a static picture encodes in no time."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (1280, 720)

_FONTS = Path("/usr/share/fonts/truetype/dejavu")
# The three that fonts-dejavu-core has; the italics are in another package.
SANS, BOLD, _SERIF = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf"

_TOP, _BOTTOM = (22, 27, 46), (11, 14, 26)
_GLOW = (46, 66, 110)
_INK, _MUTED, _FAINT = (241, 243, 248), (148, 158, 182), (52, 61, 88)
_ACCENT = (244, 178, 102)

_LEFT = 112
_FOOTER = 640

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Slide:
    """What is on the screen from `start` until the next slide.

    With a `quote` the title is small above it, and `before` (the sentence just read) stays dimmed
    over it. Without one the title fills the slide, with `note` under it.
    """

    start: float
    section: str
    title: str
    note: str = ""
    quote: str = ""
    before: str = ""


def draw(slide: Slide, number: int, count: int, progress: float) -> Image.Image:
    """One slide; `progress` is how much of the lesson has passed when it leaves, 0 to 1."""
    picture = _background().copy()
    pen = ImageDraw.Draw(picture)
    if slide.quote:
        _draw_quote(pen, slide)
    else:
        _draw_cover(pen, slide)
    _draw_footer(pen, number, count, progress)
    return picture


def _draw_cover(pen: ImageDraw.ImageDraw, slide: Slide) -> None:
    title_font, note_font = font(BOLD, 68), font(SANS, 28)
    title, note = _wrap(slide.title, 26), _wrap(slide.note, 62)
    height = 84 * len(title) + (36 + 44 * len(note) if note else 0)
    y = (_FOOTER - height) // 2 + 30
    _spaced(pen, (_LEFT, y - 62), slide.section.upper(), font(BOLD, 19), _ACCENT)
    for line in title:
        pen.text((_LEFT - 3, y), line, font=title_font, fill=_INK)
        y += 84
    pen.rectangle((_LEFT, y + 14, _LEFT + 72, y + 17), fill=_ACCENT)
    y += 46
    for line in note:
        pen.text((_LEFT, y), line, font=note_font, fill=_MUTED)
        y += 44


def _draw_quote(pen: ImageDraw.ImageDraw, slide: Slide) -> None:
    _spaced(pen, (_LEFT, 70), slide.section.upper(), font(BOLD, 19), _ACCENT)
    pen.text((_LEFT - 1, 102), slide.title, font=font(BOLD, 38), fill=_INK)
    quote, before = _wrap(f"“{_excerpt(slide.quote)}”", 37), _wrap(_excerpt(slide.before), 64)
    quote_height, before_height = 70 * len(quote), 34 * len(before) + (26 if before else 0)
    y = 196 + (_FOOTER - 226 - quote_height - before_height) // 2
    for line in before:
        pen.text((_LEFT + 44, y), line, font=font(_SERIF, 23), fill=_MUTED)
        y += 34
    y += 26 if before else 0
    pen.rectangle((_LEFT, y + 6, _LEFT + 4, y + quote_height), fill=_ACCENT)
    for line in quote:
        # The opening mark hangs, so that the words line up with each other.
        hang = _width(font(_SERIF, 48), "“") if line.startswith("“") else 0
        pen.text((_LEFT + 44 - hang + 2, y), line, font=font(_SERIF, 48), fill=_INK)
        y += 70


def _draw_footer(pen: ImageDraw.ImageDraw, number: int, count: int, progress: float) -> None:
    width, height = SIZE
    face = font(SANS, 18)
    pen.text((_LEFT, _FOOTER), "Sense and Sensibility, chapter I", font=face, fill=_MUTED)
    label = f"{number} / {count}"
    pen.text((width - _LEFT - _width(face, label), _FOOTER), label, font=face, fill=_MUTED)
    pen.rectangle((0, height - 6, width, height), fill=_FAINT)
    pen.rectangle((0, height - 6, round(width * progress), height), fill=_ACCENT)


@cache
def _background() -> Image.Image:
    """A dark gradient with a soft light in a corner, the same on every slide: drawn once."""
    width, _ = SIZE
    down = Image.linear_gradient("L").resize(SIZE)
    base = Image.composite(Image.new("RGB", SIZE, _BOTTOM), Image.new("RGB", SIZE, _TOP), down)
    light = Image.new("L", SIZE, 0)
    ImageDraw.Draw(light).ellipse((width - 420, -300, width + 260, 330), fill=120)
    light = light.filter(ImageFilter.GaussianBlur(130))
    return Image.composite(Image.new("RGB", SIZE, _GLOW), base, light)


def _excerpt(text: str) -> str:
    """A piece of a longer sentence as one quotes it on its own."""
    return ("… " if text[:1].islower() else "") + text.rstrip(",:")


def _wrap(text: str, width: int) -> list[str]:
    """Lines of about one length: as few as fit, then as narrow as keeps them that few."""
    lines = textwrap.wrap(text, width)
    for narrower in range(width - 1, width // 2, -1):
        closer = textwrap.wrap(text, narrower)
        if len(closer) > len(lines):
            break
        lines = closer
    return lines


def _spaced(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    font: Font,
    fill: tuple[int, int, int],
) -> None:
    """Small capitals need air between them, which Pillow does not give."""
    x = float(at[0])
    for letter in text:
        pen.text((x, at[1]), letter, font=font, fill=fill)
        x += _width(font, letter) + 2.5


def _width(font: Font, text: str) -> float:
    return float(font.getlength(text))


@cache
def font(name: str, size: int) -> Font:
    try:
        return ImageFont.truetype(_FONTS / name, size)
    except OSError:
        # fonts-dejavu-core is not installed: Pillow's own face is plainer, but reads.
        return ImageFont.load_default(size)

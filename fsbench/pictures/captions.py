"""Words on pictures: text wrapped to a width, and class names on fields of their colours. Cuts are marked.

A line breaks at spaces, and inside a word that is wider than the line; what is longer than the lines allowed ends
with an ellipsis. A character that the typeface lacks is spelt out, as ``<U+732B>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from fsbench.io.palette import INK, WHITE, Colour, ink_on

LEADING = 1.3
PAD_X, PAD_Y, APART = 7, 3, 5
ELLIPSIS = "…"
LACKED = "\uffff"
"""No character, so it is drawn like one that the typeface lacks."""
SMOOTH = 4
"""Round corners are drawn this many times larger."""


@dataclass(frozen=True)
class Field:
    """A name on a field of ``colour``; ``filled`` is False for a frame in that colour."""

    text: str
    colour: Colour
    filled: bool = True


def typeface(size: int) -> FreeTypeFont:
    """Pillow's own typeface; raises ImportError where Pillow was built without FreeType."""
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise ImportError("Pillow was built without FreeType, so there is no typeface to write with")
    return font


@cache
def _spelt(character: str) -> str:
    font = typeface(20)
    if character.isascii() or bytes(font.getmask(character)) != bytes(font.getmask(LACKED)):
        return character
    return f"<U+{ord(character):04X}>"


def wrapped(text: str, font: FreeTypeFont, width: float, most: int) -> list[str]:
    """``text`` as at most ``most`` lines of at most ``width`` pixels.

    >>> wrapped("a potted plant", typeface(15), 60, 4)
    ['a potted', 'plant']
    """
    lines, line = [], ""
    for word in "".join(map(_spelt, text)).split():
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, font, width)
        lines += full
    lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(last + ELLIPSIS) > width:
        last = last[:-1]
    return [*lines[: most - 1], last + ELLIPSIS]


def paragraph(text: str, size: int, colour: Colour, width: int, most: int) -> Image.Image:
    """``text`` on white, ``width`` pixels wide and as high as it needs."""
    font = typeface(size)
    lines = wrapped(text, font, width, most)
    line_height = round(size * LEADING)
    picture = Image.new("RGB", (width, line_height * len(lines)), WHITE)
    pen = ImageDraw.Draw(picture)
    for place, line in enumerate(lines):
        pen.text((0, place * line_height), line, colour, font=font)
    return picture


def fields(names: Sequence[Field], size: int, width: int, most: int) -> Image.Image:
    """The names one after the other on white, row by row, none split between rows; ``width`` pixels wide."""
    drawn = [_field(name, size, width, most) for name in names]
    corners, x, y, row = [], 0, 0, 0
    for picture in drawn:
        if x and x + picture.width > width:
            x, y, row = 0, y + row + APART, 0
        corners.append((x, y))
        x, row = x + picture.width + APART, max(row, picture.height)
    page = Image.new("RGB", (width, max(1, y + row)), WHITE)
    for picture, corner in zip(drawn, corners, strict=True):
        page.paste(picture, corner)
    return page


def _field(name: Field, size: int, width: int, most: int) -> Image.Image:
    font = typeface(size)
    lines = wrapped(name.text, font, width - 2 * PAD_X, most)
    line_height = round(size * LEADING)
    wide = min(width, round(max(map(font.getlength, lines))) + 2 * PAD_X)
    size_of = wide, line_height * len(lines) + 2 * PAD_Y
    large = Image.new("RGB", (SMOOTH * size_of[0], SMOOTH * size_of[1]), WHITE)
    corners = (0, 0, large.width - 1, large.height - 1)
    fill = name.colour if name.filled else WHITE
    ImageDraw.Draw(large).rounded_rectangle(corners, 5 * SMOOTH, fill=fill, outline=name.colour, width=2 * SMOOTH)
    picture = large.resize(size_of, Image.Resampling.BOX)
    pen = ImageDraw.Draw(picture)
    for place, line in enumerate(lines):
        pen.text((PAD_X, PAD_Y + place * line_height), line, ink_on(name.colour) if name.filled else INK, font=font)
    return picture


def _pieces(word: str, font: FreeTypeFont, width: float) -> list[str]:
    """``word`` in pieces that are no wider than ``width``, of at least one character."""
    pieces = [""]
    for character in word:
        if pieces[-1] and font.getlength(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces

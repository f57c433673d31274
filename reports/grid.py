"""Pictures of prompts on one sheet: a row per prompt, with its words above it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP, _MARGIN, _LINE = 6, 16, 20
_LEAST = 128
"""Side of a picture on the sheet, at least."""
_FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
"""Prompts may be in any script; the font that Pillow has by itself knows Latin letters only."""
_INK, _FAINT, _PAPER = (35, 35, 40), (110, 110, 115), (255, 255, 255)


def grid(title: str, rows: Sequence[tuple[str, NDArray[np.uint8]]], wide: int = 1_000) -> Image.Image:
    """The sheet of rows of pictures (n, size, size, 3), small ones enlarged; ``wide``: the most pictures in a line."""
    rows = [(words if not k else "", own[k : k + wide]) for words, own in rows for k in range(0, len(own), wide)]
    size = rows[0][1].shape[1]
    side = max(size, size * -(-_LEAST // size))
    width = 2 * _MARGIN + max(len(own) for _, own in rows) * (side + _GAP) - _GAP
    words = [textwrap.wrap(prompt, max(20, (width - 2 * _MARGIN) // 8)) or [""] for prompt, _ in rows]
    heading = textwrap.wrap(title, max(20, (width - 2 * _MARGIN) // 9))
    tops = [_MARGIN + _LINE * len(heading) + _GAP]
    for lines in words:
        tops.append(tops[-1] + _LINE * len(lines) + side + 2 * _GAP + _MARGIN)
    sheet = Image.new("RGB", (width, tops[-1]), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, heading, _MARGIN, _INK, 16)
    for lines, (_, own), y in zip(words, rows, tops, strict=False):
        _write(draw, lines, y, _FAINT, 14)
        for k, picture in enumerate(own):
            shown = Image.fromarray(picture)
            if side != size:
                shown = shown.resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(shown, (_MARGIN + k * (side + _GAP), y + _LINE * len(lines) + _GAP))
    return sheet


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[str], y: int, ink: tuple[int, int, int], size: int) -> None:
    font = ImageFont.truetype(str(_FONT), size)
    for k, line in enumerate(lines):
        draw.text((_MARGIN, y + k * _LINE), line, ink, font)

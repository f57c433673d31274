"""The sample sheet: one row a concept, real pictures beside what was drawn after each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

THUMB, GAP, BLOCK, MARGIN, LABEL = 80, 3, 14, 20, 112
_INK, _FAINT, _MARK, _PAPER = (35, 35, 40), (150, 150, 155), (213, 94, 0), (255, 255, 255)


@dataclass(frozen=True)
class SheetRow:
    """A concept: its name, the number of its task, real pictures, and what was drawn after each task (from 0)."""

    name: str
    task: int
    real: tuple[Image.Image, ...]
    after: tuple[tuple[Image.Image, ...], ...]


def sample_sheet(title: str, rows: Sequence[SheetRow]) -> Image.Image:
    """Draw the sheet; a frame marks the task that taught the concept, and what was drawn before it is faded."""
    real, wide = max(len(r.real) for r in rows), max(len(b) for r in rows for b in r.after)
    starts = [MARGIN + LABEL + real * (THUMB + GAP) + BLOCK]
    for _ in rows[0].after:
        starts.append(starts[-1] + wide * (THUMB + GAP) + BLOCK)
    height = 84 + len(rows) * (THUMB + BLOCK) + 26
    sheet = Image.new("RGB", (starts[-1] + MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _headings(draw, title, starts, len(rows[0].after))
    for k, row in enumerate(rows):
        y = 84 + k * (THUMB + BLOCK)
        draw.text((MARGIN, y + THUMB // 2), row.name, _INK, _font(16), anchor="lm")
        _paste(sheet, row.real, MARGIN + LABEL, y)
        for i, pictures in enumerate(row.after):
            _block(sheet, draw, pictures, (starts[i], y), wide, i - row.task)
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _headings(draw: ImageDraw.ImageDraw, title: str, starts: list[int], columns: int) -> None:
    draw.text((MARGIN, 14), title, _INK, _font(20))
    draw.text((MARGIN + LABEL, 58), "real", _INK, _font(14))
    for i in range(columns):
        draw.text((starts[i], 58), "base model" if i == 0 else f"after task {i}", _INK, _font(14))


def _paste(sheet: Image.Image, pictures: Sequence[Image.Image], x: int, y: int, fade: float = 0.0) -> None:
    for k, picture in enumerate(pictures):
        thumb = picture.convert("RGB").resize((THUMB, THUMB), Image.Resampling.LANCZOS)
        if fade:
            thumb = Image.blend(thumb, Image.new("RGB", thumb.size, _PAPER), fade)
        sheet.paste(thumb, (x + k * (THUMB + GAP), y))


def _block(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    pictures: Sequence[Image.Image],
    corner: tuple[int, int],
    wide: int,
    since: int,
) -> None:
    """One cell; ``since`` counts tasks from the one that taught the concept."""
    x, y = corner
    if not pictures:
        draw.text((x + 4, y + THUMB // 2), "·", _FAINT, _font(14), anchor="lm")
        return
    _paste(sheet, pictures, x, y, fade=0.55 if since < 0 else 0.0)
    if since == 0:
        right = x + len(pictures[:wide]) * (THUMB + GAP)
        draw.rectangle((x - 4, y - 4, right, y + THUMB + 3), outline=_MARK, width=3)

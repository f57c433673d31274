"""Pictures of a run: what was drawn of each concept after each task, beside real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .about import Pictures
from .entry import Entry
from .sheet import SheetRow, sample_sheet

MOST = 128
"""Side of a picture in a sprite, at most."""
_RIM = 2
"""Pixels of its own edge around each picture: a page that scales a sprite mixes neighbouring pixels."""


@dataclass(frozen=True)
class Sprite:
    """All pictures of a run in one: ``rows`` by ``columns`` squares.

    A picture is ``side`` pixels wide, its square ``cell`` times that, with a rim of its own edge. Two rows a concept
    (two prompts); columns are real pictures, then after 0, 1, ... tasks; what was not drawn is grey.
    """

    image: Image.Image
    side: int
    cell: float
    rows: int
    columns: int


def sheet_of(entry: Entry, pictures: Pictures) -> Image.Image | None:
    """The sample sheet of one run; None where its pictures are gone, or where nothing was learned."""
    rows = sheet_rows(entry, pictures)
    if rows is None:
        return None
    return sample_sheet(f"{entry.run.method} on {entry.run.suite}, seed {entry.run.seed}", rows)


def sprite_of(entry: Entry, pictures: Pictures) -> Sprite | None:
    """All pictures of one run in one; None where they are gone, or where nothing was learned."""
    rows = sheet_rows(entry, pictures)
    return None if rows is None else _sprite(rows)


def _sprite(rows: Sequence[SheetRow]) -> Sprite:
    side = min(MOST, rows[0].real[0].width)
    columns = 1 + len(rows[0].after)
    square = side + 2 * _RIM
    image = Image.new("RGB", (square * columns, square * 2 * len(rows)), (128, 128, 128))
    for k, row in enumerate(rows):
        for column, shown in enumerate([row.real, *row.after]):
            for line, picture in enumerate(shown[:2]):
                small = picture.resize((side, side), Image.Resampling.LANCZOS)  # as it is, where it has that size
                image.paste(_rimmed(small), (column * square, (2 * k + line) * square))
    return Sprite(image, side, square / side, 2 * len(rows), columns)


def _rimmed(picture: Image.Image) -> Image.Image:
    """A picture with its outermost pixels repeated around it."""
    return Image.fromarray(np.pad(np.asarray(picture), ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), mode="edge"))


def sheet_rows(entry: Entry, pictures: Pictures) -> list[SheetRow] | None:
    """A row a concept; None where pictures are gone, or where nothing was learned."""
    if not entry.cost:
        return None
    rows = [_row(entry, name, j, pictures) for j, name in enumerate(entry.run.order, 1)]
    return rows if all(row.real and any(row.after) for row in rows) else None


def _row(entry: Entry, name: str, j: int, pictures: Pictures) -> SheetRow:
    def files(key: str) -> list[Path]:
        return pictures(entry.units[key]) if key in entry.units else []

    cells = (files(f"draw/{i}/{j}") for i in range(entry.tasks + 1))
    prompts = max(1, entry.prompts)
    after = tuple(_pick(cell, 1 if len(cell) <= 2 else len(cell) // prompts) for cell in cells)
    return SheetRow(name, j, _pick(files(f"real/{name}"), 1), after)


def _pick(files: list[Path], second: int) -> tuple[Image.Image, ...]:
    """The first picture and the one at ``second``: that of the second prompt, of which a glimpse holds one each."""
    return tuple(_read(files[k]) for k in (0, second) if k < len(files))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
